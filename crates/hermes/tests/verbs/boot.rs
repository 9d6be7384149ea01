//! `hermes boot --history`: the boots that the volume keeps.

use crate::volume::Volume;
use predicates::prelude::*;

const BOOTS: &str = "logs/boots.json";

/// Two boots: a script of the second failed.
const TWO: &str = r#"[
    {"started":"2026-11-23T19:00:00.123456Z","duration_us":40000,"phases":[
        {"name":"prepare","start_us":0,"duration_us":10000}]},
    {"started":"2026-11-24T19:00:00.000000Z","duration_us":1234567,"phases":[
        {"name":"cont-init.d/10-fine","parent":"cont-init.d","start_us":1,"duration_us":2,"exit_code":0},
        {"name":"cont-init.d/20-own","parent":"cont-init.d","start_us":3,"duration_us":4,"exit_code":7}]}]"#;

#[test]
fn the_history_tells_of_each_boot_how_long_it_took_and_what_failed() {
    let volume = Volume::new();
    volume.write(BOOTS, TWO);
    let table = "\
STARTED                      DURATION   FAILED
2026-11-23T19:00:00.123456Z  40.0 ms    -
2026-11-24T19:00:00.000000Z  1234.5 ms  cont-init.d/20-own
";
    volume.hermes(["boot", "--history"]).assert().success().stdout(table);
}

#[test]
fn the_history_is_an_array_for_a_program() {
    let volume = Volume::new();
    volume.hermes(["boot", "--history", "--json"]).assert().success().stdout("[]\n");
    volume.write(BOOTS, TWO);
    let output = volume.hermes(["boot", "--history", "--json"]).output().unwrap();
    let array: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(array, serde_json::from_str::<serde_json::Value>(TWO).unwrap());
}

#[test]
fn a_volume_without_boots_has_a_history_without_rows() {
    Volume::new().hermes(["boot", "--history"]).assert().success().stdout("STARTED  DURATION  FAILED\n");
}

#[test]
fn a_broken_history_is_told_with_its_mend() {
    let volume = Volume::new();
    volume.write(BOOTS, "{");
    let words = predicate::str::starts_with("error: failed to read the earlier boots\ncaused by: ")
        .and(predicate::str::contains("hint: move it out of the way: mv "));
    volume.hermes(["boot", "--history"]).assert().code(1).stderr(words);
}
