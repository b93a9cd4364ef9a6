# Functions on texts, lists and sets, as in nixpkgs' lib.
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    fromJSON
    fromTOML
    isString
    listToAttrs
    readFile
    stringLength
    substring
    ;
in
rec {
  inherit (builtins)
    attrNames
    attrValues
    concatStringsSep
    elem
    mapAttrs
    ;

  concatStrings = concatStringsSep "";
  concatMapStrings = f: list: concatStringsSep "" (map f list);
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  splitString =
    separator: text:
    if stringLength separator == 1 then
      filter isString (builtins.split "[${separator}]" text)
    else
      throw "the fake splits at one character, not at ${separator}";
  hasSuffix =
    suffix: text:
    let
      length = stringLength text - stringLength suffix;
    in
    length >= 0 && substring length (-1) text == suffix;
  optionalString = wanted: text: if wanted then text else "";
  removePrefix =
    prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then
      substring 0 (stringLength text - stringLength suffix) text
    else
      text;
  escapeURL =
    text:
    if builtins.match "[A-Za-z0-9._~-]*" text != null then
      text
    else
      throw "the fake encodes no characters, as in ${text}";
  versionAtLeast = version: least: builtins.compareVersions version least >= 0;

  last = list: builtins.elemAt list (builtins.length list - 1);
  min = one: other: if one < other then one else other;
  subtractLists = unwanted: filter (item: !elem item unwanted);
  optionals = wanted: list: if wanted then list else [ ];
  unique = foldl' (known: item: if elem item known then known else known ++ [ item ]) [ ];

  filterAttrs =
    wanted: set:
    listToAttrs (
      concatMap (name: optionals (wanted name set.${name}) [ (nameValuePair name set.${name}) ]) (
        attrNames set
      )
    );
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
  mapAttrs' = f: set: listToAttrs (mapAttrsToList f set);
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  nameValuePair = name: value: { inherit name value; };
  optionalAttrs = wanted: set: if wanted then set else { };

  # The whole root, as a path: nothing is copied.
  fileset = {
    toSource = { root, fileset }: root;
    unions = paths: paths;
  };

  platforms.unix = [
    "aarch64-darwin"
    "aarch64-linux"
    "x86_64-darwin"
    "x86_64-linux"
  ];
  licenses.asl20.spdxId = "Apache-2.0";

  importJSON = path: fromJSON (readFile path);
  importTOML = path: fromTOML (readFile path);
}
