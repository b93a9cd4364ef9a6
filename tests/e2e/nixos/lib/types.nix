# Types of options. Each reports whether it has a value, and how several definitions become one value.
{ lib }:
let
  inherit (builtins)
    all
    isAttrs
    isBool
    isInt
    isList
    isString
    ;

  scalar = description: check: {
    inherit description check;
    merge = lib.mergeEqual;
  };
  isPathLike = value: builtins.isPath value || isString value && lib.hasPrefix "/" value;
in
rec {
  anything = scalar "anything" (_: true);
  bool = scalar "boolean" isBool;
  int = scalar "signed integer" isInt;
  ints.between =
    least: most:
    scalar "integer between ${toString least} and ${toString most} (both inclusive)" (
      value: isInt value && least <= value && value <= most
    );
  ints.unsigned = scalar "unsigned integer, meaning >=0" (value: isInt value && value >= 0);
  unspecified = scalar "unspecified value" (_: true);
  package = scalar "package" (value: value.type or null == "derivation");
  path = scalar "absolute path" isPathLike;
  str = scalar "string" isString;
  strMatching =
    pattern:
    scalar "string matching the pattern ${pattern}" (
      value: isString value && builtins.match pattern value != null
    );

  enum = values: scalar "one of ${builtins.toJSON values}" (value: builtins.elem value values);

  # Lines of several definitions are put together.
  lines = {
    description = "strings concatenated with \"\\n\"";
    check = isString;
    merge =
      _: definitions:
      builtins.concatStringsSep "\n" (map (definition: definition.value) definitions);
  };

  either = one: other: {
    description = "${one.description} or ${other.description}";
    check = value: one.check value || other.check value;
    merge =
      path: definitions:
      let
        fits = type: all (definition: type.check definition.value) definitions;
      in
      if fits one then
        one.merge path definitions
      else if fits other then
        other.merge path definitions
      else
        lib.mergeEqual path definitions;
  };

  nullOr =
    type:
    either (scalar "null" (value: value == null)) type
    // {
      description = "null or ${type.description}";
    };

  listOf = type: {
    description = "list of ${type.description}";
    check = isList;
    merge =
      path: definitions:
      builtins.concatMap (
        definition:
        map (
          value: lib.mergeDefinitions (path ++ [ "*" ]) type [ (definition // { inherit value; }) ]
        ) definition.value
      ) definitions;
  };

  attrsOf = type: {
    description = "attribute set of ${type.description}";
    check = isAttrs;
    merge =
      path: definitions:
      builtins.mapAttrs (name: lib.mergeDefinitions (path ++ [ name ]) type) (
        lib.filterAttrs (_: lib.isDefined) (
          builtins.zipAttrsWith (_: found: found) (
            map (
              definition: builtins.mapAttrs (_: value: definition // { inherit value; }) definition.value
            ) definitions
          )
        )
      );
  };

  submodule = module: {
    description = "submodule";
    check = isAttrs;
    merge =
      path: definitions:
      (lib.evalModules {
        modules = [ module ] ++ map (definition: { config = definition.value; }) definitions;
        specialArgs.name = lib.last path;
        prefix = path;
      }).config;
  };
}
