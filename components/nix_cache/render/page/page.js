// Adds buttons that copy. Without them, everything can be read and selected.
if (navigator.clipboard) {
  for (const figure of document.querySelectorAll("figure")) {
    const button = document.createElement("button");
    const label = (text, ms) => setTimeout(() => { button.textContent = text; }, ms);
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-live", "polite");
    button.setAttribute("aria-describedby", figure.querySelector("h3").id);
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(figure.querySelector("code").textContent).then(
        () => { label("Copied", 0); label("Copy", 2000); },
        () => { label("Refused", 0); label("Copy", 2000); },
      );
    });
    figure.querySelector("figcaption").append(button);
  }
}
