# The parameters of a store's URL. Pure.
{ lib }:
let
  inherit (lib) concatStringsSep hasPrefix splitString;

  # The base, and a list of texts such as "profile=nixbuilder".
  split =
    url:
    let
      parts = splitString "?" url;
    in
    {
      base = builtins.head parts;
      parameters = builtins.concatMap (splitString "&") (builtins.tail parts);
    };
in
rec {
  hasParameter = name: url: parameter name url != null;

  # The value as the URL has it; null if it has none.
  parameter =
    name: url:
    let
      found = builtins.filter (hasPrefix "${name}=") (split url).parameters;
    in
    if found == [ ] then null else lib.removePrefix "${name}=" (builtins.head found);

  # The URL with another value of the parameter, in its old place if it had one.
  withParameter =
    name: value: url:
    let
      inherit (split url) base parameters;
      new = "${name}=${lib.escapeURL value}";
      changed =
        if hasParameter name url then
          map (old: if hasPrefix "${name}=" old then new else old) parameters
        else
          parameters ++ [ new ];
    in
    "${base}?${concatStringsSep "&" changed}";
}
