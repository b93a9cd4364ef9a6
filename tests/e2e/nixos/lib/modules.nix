# Modules: their options and definitions, put together. Everything unknown is refused.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    filter
    head
    isAttrs
    isFunction
    isPath
    mapAttrs
    removeAttrs
    ;

  showOption = concatStringsSep ".";
  showFiles = concatMap (definition: [ "\n- In `${definition.file}'" ]);
  isOption = tree: tree._type or null == "option";

  kindOf = value: value._type or "plain";

  priorityOfDefinitions = 100;
  priorityOfDefaults = 1000;
  priorityOfForce = 50;

  # The definitions within mkIf, mkMerge, mkDefault and mkForce.
  laidOpen =
    definition:
    let
      inherit (definition) value;
      within = changes: laidOpen (definition // changes);
    in
    {
      plain = [ definition ];
      "if" = lib.optionals value.condition (within {
        value = value.content;
      });
      merge = concatMap (content: within { value = content; }) value.contents;
      override = within {
        value = value.content;
        inherit (value) priority;
      };
    }
    .${kindOf value} or (throw "the fake knows no values of the kind ${kindOf value}");

  # The same where the definition is a set of options: a condition may depend on some of them, so it
  # is handed on to each, unlooked at.
  pushedDown =
    definition:
    let
      inherit (definition) value;
      handedOn = map (
        set: set // { value = mapAttrs (_: content: value // { inherit content; }) set.value; }
      ) (pushedDown (definition // { value = value.content; }));
    in
    {
      plain = [ definition ];
      "if" = handedOn;
      merge = concatMap (content: pushedDown (definition // { value = content; })) value.contents;
      override = handedOn;
    }
    .${kindOf value} or (throw "the fake knows no values of the kind ${kindOf value}");

  below =
    name:
    concatMap (
      definition:
      lib.optionals (definition.value ? ${name}) [
        (definition // { value = definition.value.${name}; })
      ]
    );

  # Definitions without an option, as texts.
  unknown =
    path: tree: given:
    let
      definitions = concatMap pushedDown given;
      misplaced = filter (definition: !isAttrs definition.value) definitions;
      foreign =
        definition:
        map (name: "The option `${showOption (path ++ [ name ])}' does not exist.") (
          attrNames (removeAttrs definition.value (attrNames tree))
        );
    in
    if misplaced != [ ] then
      [ "The option `${showOption path}' is a set of options.${toString (showFiles misplaced)}" ]
    else
      concatMap foreign definitions
      ++ concatMap (
        name:
        lib.optionals (!isOption tree.${name}) (
          unknown (path ++ [ name ]) tree.${name} (below name definitions)
        )
      ) (attrNames tree);

  optionValue =
    path: option: definitions:
    let
      default = {
        file = "the default";
        priority = priorityOfDefinitions;
        value = option.default;
      };
      open = concatMap laidOpen definitions;
      given = if open == [ ] && option ? default then [ default ] else open;
    in
    (option.apply or (value: value)) (lib.mergeDefinitions path option.type given);

  values =
    path: tree: definitions:
    mapAttrs (
      name: branch:
      (if isOption branch then optionValue else values) (path ++ [ name ]) branch (
        below name (concatMap pushedDown definitions)
      )
    ) tree;

  joined =
    path:
    builtins.zipAttrsWith (
      name: trees:
      if builtins.length trees == 1 then
        head trees
      else if builtins.any isOption trees then
        throw "The option `${showOption (path ++ [ name ])}' is declared twice."
      else
        joined (path ++ [ name ]) trees
    );
in
{
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkDefault = content: {
    _type = "override";
    priority = priorityOfDefaults;
    inherit content;
  };
  mkForce = content: {
    _type = "override";
    priority = priorityOfForce;
    inherit content;
  };

  mkOption =
    {
      type,
      description ? null,
      default ? null,
      defaultText ? null,
      example ? null,
      apply ? null,
    }@option:
    option // { _type = "option"; };
  mkEnableOption =
    what:
    lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${what}.";
    };
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };

  # Whether a definition is left where no condition is false.
  isDefined = definitions: concatMap laidOpen definitions != [ ];

  # The value of an option, or of a part of it.
  mergeDefinitions =
    path: type: definitions:
    let
      open = concatMap laidOpen definitions;
      first = builtins.foldl' (least: one: lib.min least one.priority) (head open).priority open;
      counting = filter (definition: definition.priority == first) open;
      wrong = filter (definition: !type.check definition.value) counting;
    in
    if open == [ ] then
      throw "The option `${showOption path}' was accessed but has no value defined."
    else if wrong != [ ] then
      throw "A definition for option `${showOption path}' is not of type `${type.description}'. Definition values:${toString (showFiles wrong)}"
    else
      type.merge path counting;

  mergeEqual =
    path: definitions:
    let
      inherit (head definitions) value;
    in
    if builtins.all (definition: definition.value == value) (builtins.tail definitions) then
      value
    else
      throw "The option `${showOption path}' has conflicting definition values:${toString (showFiles definitions)}";

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
      # The kind of system, which a module may require.
      class ? null,
    }:
    let
      loaded =
        module:
        let
          content = if isPath module then import module else module;
          called =
            if isFunction content then
              content (
                specialArgs
                // {
                  inherit config lib;
                  options = tree;
                }
              )
            else
              content;
          parts = removeAttrs called [
            "_class"
            "imports"
            "options"
            "config"
          ];
          structured = called ? options || called ? config;
          own = {
            options = called.options or { };
            definition = {
              file = if isPath module then toString module else "<unknown-file>";
              priority = priorityOfDefinitions;
              value = if structured then called.config or { } else parts;
            };
          };
        in
        if called ? _class && called._class != class then
          throw "The module is for the class `${called._class}', and not for `${toString class}'."
        else if structured && parts != { } then
          throw "A module with `options' or `config' has other attributes: ${toString (attrNames parts)}"
        else
          [ own ] ++ concatMap loaded (called.imports or [ ]);
      all = concatMap loaded modules;
      tree = joined prefix (map (module: module.options) all);
      definitions = map (module: module.definition) all;
      config = values prefix tree definitions;
      mistakes = unknown prefix tree definitions;
    in
    {
      config = if mistakes == [ ] then config else throw (concatStringsSep "\n" mistakes);
      options = tree;
    };
}
