// Buttons that copy. Everything can be read and selected without them.
if (navigator.clipboard) {
  for (const figure of document.querySelectorAll("figure")) {
    const button = document.createElement("button");
    const say = (text, ms) => setTimeout(() => { button.textContent = text; }, ms);
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-live", "polite");
    button.setAttribute("aria-describedby", figure.querySelector("h3").id);
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(figure.querySelector("code").textContent).then(
        () => { say("Copied", 0); say("Copy", 2000); },
        () => { say("Refused", 0); say("Copy", 2000); },
      );
    });
    figure.querySelector("figcaption").append(button);
  }
}
