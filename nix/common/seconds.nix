# The seconds of a time such as `15min` or `1h`, for launchd; null if it has an invalid format. Pure.
time:
let
  units = {
    "" = 1;
    s = 1;
    sec = 1;
    m = 60;
    min = 60;
    h = 3600;
    d = 86400;
  };
  found = builtins.match "([1-9][0-9]{0,5}) ?([a-z]*)" time;
  unit = units.${builtins.elemAt found 1} or null;
in
if found == null || unit == null then null else builtins.fromJSON (builtins.head found) * unit
