//! `hermes profile export` and `import`, from one volume to another.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;

use crate::volume::Volume;
use predicates::prelude::*;

fn with_coder() -> Volume {
    let volume = Volume::new();
    volume.hermes(["profile", "create", "coder"]).assert().success();
    volume.write("profiles/coder/memories/first.md", "remembered");
    volume.write("profiles/coder/.env", "TOKEN=planted-secret\n");
    volume.write("profiles/coder/gateway_state.json", r#"{"desired_state":"running"}"#);
    volume
}

#[test]
fn a_profile_moves_to_another_volume_without_its_secrets_and_without_starting_there() {
    let (from, to) = (with_coder(), Volume::new());
    from.hermes(["profile", "export", "coder", "-o", "coder.tgz"])
        .assert()
        .success()
        .stdout("exported the profile 'coder' to coder.tgz\n")
        .stderr("left out, since it holds secrets (--with-secrets takes it along): .env\n");
    assert_eq!(fs::metadata(from.path("coder.tgz")).unwrap().permissions().mode() & 0o777, 0o600);
    let file = from.path("coder.tgz").into_os_string().into_string().unwrap();
    to.hermes(["profile", "import", &file]).assert().success();
    assert_eq!(to.read("profiles/coder/memories/first.md"), "remembered");
    assert!(to.read("profiles/coder/config.yaml").contains("9653"), "a free port is kept");
    assert!(!to.path("profiles/coder/.env").exists());
    assert!(!to.path("profiles/coder/gateway_state.json").exists());
}

#[test]
fn the_secrets_go_along_when_that_was_asked_for() {
    let (from, to) = (with_coder(), Volume::new());
    from.hermes(["profile", "export", "coder", "-o", "c.tgz", "--with-secrets"])
        .assert()
        .success()
        .stderr("");
    let file = from.path("c.tgz").into_os_string().into_string().unwrap();
    to.hermes(["profile", "import", &file]).assert().success();
    assert_eq!(to.read("profiles/coder/.env"), "TOKEN=planted-secret\n");
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_that_was_asked_for() {
    let volume = with_coder();
    volume.write("c.tgz", "precious");
    volume
        .hermes(["profile", "export", "coder", "-o", "c.tgz"])
        .assert()
        .code(1)
        .stderr(predicate::str::starts_with("error: c.tgz exists already\n"));
    assert_eq!(volume.read("c.tgz"), "precious");
    volume.hermes(["profile", "export", "coder", "-o", "c.tgz", "--force"]).assert().success();
    assert!(fs::read(volume.path("c.tgz")).unwrap().starts_with(&[0x1f, 0x8b]));
    let names: Vec<_> =
        fs::read_dir(volume.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{names:?}");
}

#[test]
fn without_a_name_the_file_is_called_after_the_profile_and_the_day() {
    let volume = with_coder();
    let said = volume.hermes(["profile", "export", "coder"]).assert().success();
    let said = String::from_utf8(said.get_output().stdout.clone()).unwrap();
    let file = said.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(
        file.starts_with("coder-2")
            && file.ends_with(".tar.gz")
            && file.len() == "coder-2026-11-24.tar.gz".len()
    );
    assert!(volume.path(&file).exists(), "{file}");
}

#[test]
fn a_second_copy_beside_the_first_gets_a_name_and_a_port_of_its_own() {
    let volume = with_coder();
    volume.hermes(["profile", "export", "coder", "-o", "c.tgz"]).assert().success();
    volume
        .hermes(["profile", "import", "c.tgz"])
        .assert()
        .code(1)
        .stderr(predicate::str::starts_with("error: the profile 'coder' exists already\n"));
    volume
        .hermes(["profile", "import", "c.tgz", "--name", "builder"])
        .assert()
        .success()
        .stderr(predicate::str::contains("the port 9653 is another profile's"));
    assert!(!volume.read("profiles/builder/config.yaml").contains("9653"));
}

#[test]
fn the_default_profile_becomes_one_with_a_name() {
    let (from, to) = (with_coder(), Volume::new());
    from.write("SOUL.md", "I am the default.");
    from.write("mine.txt", "not Hermes's");
    from.hermes(["profile", "export", "default", "-o", "d.tgz"]).assert().success();
    let file = from.path("d.tgz").into_os_string().into_string().unwrap();
    to.hermes(["profile", "import", &file])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("hint: give it a name: --name NAME\n"));
    to.hermes(["profile", "import", &file, "--name", "first"]).assert().success();
    assert_eq!(to.read("profiles/first/SOUL.md"), "I am the default.");
    assert!(!to.path("profiles/first/mine.txt").exists() && !to.path("profiles/first/profiles").exists());
}

#[test]
fn what_is_no_archive_leaves_nothing_half_made() {
    let volume = Volume::new();
    volume.write("c.tgz", "hello");
    volume.hermes(["profile", "import", "c.tgz", "--name", "coder"]).assert().code(1).stderr(
        predicate::str::starts_with(
            "error: failed to import c.tgz\ncaused by: it is no tar.gz, or damaged\n",
        ),
    );
    assert!(!volume.path("profiles").exists());
    volume.hermes(["profile", "import", "missing.tgz"]).assert().code(1);
}

#[test]
fn a_copy_of_a_broken_profile_can_be_put_back_and_its_fault_is_named() {
    let (from, to) = (with_coder(), Volume::new());
    from.write("profiles/coder/config.yaml", "a: [1\n");
    from.hermes(["profile", "export", "coder", "-o", "c.tgz"]).assert().success();
    let file = from.path("c.tgz").into_os_string().into_string().unwrap();
    to.hermes(["profile", "import", &file]).assert().success().stderr(predicate::str::starts_with(
        "warning: its gateway will not start before this is corrected: config.yaml, line 2",
    ));
    assert_eq!(to.read("profiles/coder/config.yaml"), "a: [1\n");
}

#[test]
fn a_secret_that_stands_in_the_configuration_is_named_by_its_key_alone() {
    let volume = with_coder();
    volume.hermes(["-p", "coder", "config", "set", "provider.api_key", "planted-secret"]).assert().success();
    volume.hermes(["profile", "export", "coder", "-o", "c.tgz"]).assert().success().stderr(
        predicate::str::contains("looks like a secret: provider.api_key in config.yaml")
            .and(predicate::str::contains("planted").not()),
    );
}

/// A header of `tar` for a long name of so many bytes.
fn long_name_header(size: u64) -> [u8; 512] {
    let mut header = tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(size);
    header.set_cksum();
    *header.as_bytes()
}

#[test]
fn an_archive_costs_an_import_little_memory() {
    let volume = Volume::new();
    let size = 80 << 20;
    let file = std::fs::File::create(volume.path("hostile.tgz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::none());
    packed.write_all(&long_name_header(size)).unwrap();
    let piece = vec![b'a'; 1 << 20];
    for _ in 0..size >> 20 {
        packed.write_all(&piece).unwrap();
    }
    packed.finish().unwrap();
    let script = format!("ulimit -v 65536; exec {} profile import hostile.tgz", env!("CARGO_BIN_EXE_hermes"));
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(volume.path(""))
        .env("HERMES_HOME", volume.path(""))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("a header in it is longer than 64 KiB"), "{stderr}");
}
