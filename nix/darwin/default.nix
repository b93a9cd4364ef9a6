# The nix-darwin module: Macs that read a binary cache of this project, and those that push to it.
#
# Where nix-darwin does not manage Nix, as with Determinate Nix, the settings go to nix.custom.conf: by
# the options of Determinate's module, or, if you choose it, as a file.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf optionalAttrs;

  cfg = config.services.nix-cache;
  caches = import ../common/caches.nix { inherit cfg lib; };
  places = import ../common/places.nix;
  daemons = import ./daemons.nix { inherit caches config lib; };

  # The name of the options of Determinate's module, which had another one; null without the module.
  determinate =
    if options ? determinateNix then
      "determinateNix"
    else if options ? determinate-nix then
      "determinate-nix"
    else
      null;
  managed = config.nix.enable;

  hook = import ../common/hook.nix {
    inherit lib pkgs;
    start = unit: "/bin/launchctl kickstart system/${config.launchd.daemons.${unit}.serviceConfig.Label}";
  };
  hookOfAll = "${hook.forCaches (builtins.attrNames caches.hooked)}";
  settings = caches.settings // {
    # A default, so that an assertion reports another hook, whatever its priority.
    post-build-hook = mkIf (caches.hooked != { }) (lib.mkDefault hookOfAll);
  };
  # Determinate's module refuses netrc-file, and has an option for it.
  determinateSettings = removeAttrs settings [ "netrc-file" ];

  # nix-darwin refuses to read most of these where it does not manage Nix.
  nix =
    if managed then
      config.nix
    else
      {
        package = null;
        extraOptions = "";
        settings =
          if determinate != null then
            config.${determinate}.customSettings
          else
            caches.settings // { post-build-hook = hookOfAll; };
      };
  assertions = import ../common/assertions.nix {
    inherit caches cfg lib nix;
    system = "nix-darwin";
    sorted = !managed;
  };

  # The file of the daemon's user, which is the only one without a variable for the daemon.
  rootsCredentials = "/var/root/.aws/credentials";
  private = builtins.any (cache: cache.manifest.public or true == false) (
    builtins.attrValues caches.enabled
  );

  asLine = name: value: "${name} = ${toString value}\n";
in
{
  _class = "darwin";

  imports = [ (import ../common/options.nix { trigger = "hook"; }) ];

  options.services.nix-cache.customConf = lib.mkOption {
    type = lib.types.bool;
    default = false;
    description = ''
      Whether the settings are written to `/etc/nix/nix.custom.conf`, which Determinate Nix reads.
      It is needed where `nix.enable` is false and Determinate's module for nix-darwin is not imported.
    '';
  };

  config = lib.mkMerge [
    {
      inherit (assertions) warnings;
      assertions =
        assertions.ofCaches
        ++ assertions.ofNix
        ++ assertions.ofHook hookOfAll
        ++ daemons.assertions
        ++ [
          {
            assertion = caches.enabled == { } || managed || determinate != null || cfg.customConf;
            message = "`nix.enable` is false, so nix-darwin writes no nix.conf. Import the module of Determinate Nix for nix-darwin; or set `services.nix-cache.customConf` to true if Nix is Determinate Nix without that module; or use `nix-cache use` instead.";
          }
          {
            assertion = !(cfg.customConf && managed);
            message = "`services.nix-cache.customConf` is true, and nix-darwin writes nix.conf, which does not include that file. Set it to false, or `nix.enable` to false.";
          }
          {
            assertion = managed || !private || cfg.credentialsFile == null || cfg.credentialsFile == rootsCredentials;
            message = "`services.nix-cache.credentialsFile` is ${toString cfg.credentialsFile}, and nix-darwin does not manage the Nix daemon, which reads only ${rootsCredentials}. Set the path of the secret to that, such as `sops.secrets.NAME.path`.";
          }
        ];

      nix.settings = mkIf managed settings;

      environment = {
        systemPackages = mkIf (caches.pushed != { }) [ cfg.package ];
        etc =
          lib.mapAttrs' (name: text: lib.nameValuePair (places.record name) { inherit text; }) caches.records
          // lib.mapAttrs' (
            name: _: lib.nameValuePair (places.hook name) { source = hook.forCache name; }
          ) caches.queued
          // optionalAttrs cfg.customConf {
            "nix/nix.custom.conf".text =
              lib.concatStrings (lib.mapAttrsToList asLine caches.settings)
              + lib.optionalString (caches.hooked != { }) (asLine "post-build-hook" hookOfAll);
          };
      };

      launchd.daemons = lib.mkMerge [
        (mkIf (managed && caches.enabled != { } && caches.credentials != { }) {
          nix-daemon.environment = caches.credentials;
        })
        daemons.daemons
      ];

      # The queue is one of the garbage collector's roots: what is in it is not collected.
      system.activationScripts.extraActivation.text = lib.concatMapStrings (name: ''
        mkdir -p ${places.folder name} ${places.roots name}
        [ -e ${places.queue name} ] || ln -sfn ${places.roots name} ${places.queue name}
      '') (builtins.attrNames caches.queued);
    }
    (optionalAttrs (determinate != null) {
      ${determinate} = mkIf (!managed) (
        {
          customSettings = determinateSettings;
        }
        // optionalAttrs (determinate == "determinateNix") {
          determinateNixd.authentication.additionalNetrcSources = mkIf (
            caches.settings ? netrc-file
          ) [ cfg.netrcFile ];
        }
      );
    })
  ];
}
