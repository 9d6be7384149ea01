//! The account's half, on a volume in a temporary folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

struct Volume {
    folder: tempfile::TempDir,
    home: Home,
}

impl Volume {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let templates = folder.path().join("templates");
        fs::create_dir_all(folder.path().join("data")).unwrap();
        fs::create_dir(&templates).unwrap();
        for name in [".env", "config.yaml", "SOUL.md"] {
            fs::write(templates.join(name), format!("version: 1 # the template of {name}\n")).unwrap();
        }
        let home = Home::new(folder.path().join("data")).unwrap();
        Self { folder, home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.root().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::symlink_metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    /// A boot; what it says.
    fn boot<const N: usize>(&self, variables: [(&str, &str); N]) -> String {
        let mut notices = Notices::default();
        let prepared = Prepared { usable: true };
        let templates = self.folder.path().join("templates");
        furnish_from(&templates, &self.home, &variables.into(), prepared, &mut notices);
        notices.text().replace(&self.home.root().display().to_string(), "HOME")
    }
}

#[test]
fn a_first_boot_makes_the_directories_and_the_seeds_and_a_second_one_says_and_does_nothing() {
    let volume = Volume::new();
    assert_eq!(volume.boot([]), "");
    for (name, mode) in owned::DIRECTORIES {
        assert_eq!(volume.mode(name), *mode, "{name}");
    }
    assert_eq!(
        (volume.mode(".env"), volume.mode("config.yaml"), volume.mode("SOUL.md")),
        (0o600, 0o600, 0o644)
    );
    assert!(volume.read("SOUL.md").starts_with("version: 1 # the template of SOUL.md\n"));
    assert!(!volume.path("auth.json").exists() && !volume.path("gateway_state.json").exists());

    fs::remove_file(volume.path("SOUL.md")).unwrap();
    fs::remove_dir(volume.path("plans")).unwrap();
    assert_eq!(volume.boot([("HERMES_AUTH_JSON_BOOTSTRAP", "{}")]), "");
    assert!(!volume.path("SOUL.md").exists(), "what the operator removed stays away");
    assert!(!volume.path("auth.json").exists(), "on a first boot only");
    assert!(volume.path("plans").is_dir(), "what Hermes needs is made again");
}

#[test]
fn what_is_there_is_never_written_over() {
    let volume = Volume::new();
    for name in [".env", "config.yaml", "SOUL.md", "auth.json", "gateway_state.json"] {
        fs::write(volume.path(name), "version: 1 # mine").unwrap();
    }
    let seeds = [("HERMES_AUTH_JSON_BOOTSTRAP", "{}"), ("HERMES_GATEWAY_BOOTSTRAP_STATE", "running")];
    assert_eq!(volume.boot(seeds), "");
    for name in [".env", "config.yaml", "SOUL.md", "auth.json", "gateway_state.json"] {
        assert_eq!(volume.read(name), "version: 1 # mine", "{name}");
    }
}

#[test]
fn what_the_operator_hands_in_is_seeded_and_nothing_of_it_is_ever_said() {
    let volume = Volume::new();
    let secret = r#"{"token":"s3cret"}"#;
    let seeds = [("HERMES_AUTH_JSON_BOOTSTRAP", secret), ("HERMES_GATEWAY_BOOTSTRAP_STATE", "running")];
    assert_eq!(volume.boot(seeds), "");
    assert_eq!((volume.read("auth.json").as_str(), volume.mode("auth.json")), (secret, 0o600));
    assert!(volume.read("gateway_state.json").contains(r#""desired_state""#));

    for other in ["Running", "1", "running ", "stopped"] {
        let volume = Volume::new();
        volume.boot([("HERMES_GATEWAY_BOOTSTRAP_STATE", other)]);
        assert!(!volume.path("gateway_state.json").exists(), "{other}");
    }
    let volume = Volume::new();
    assert_eq!(
        volume.boot([("HERMES_AUTH_JSON_BOOTSTRAP", "s3cret")]),
        "HERMES_AUTH_JSON_BOOTSTRAP is no JSON object, and auth.json is not made from it; give it the whole content of an auth.json\n"
    );
    assert!(!volume.path("auth.json").exists());
}

#[test]
fn files_with_secrets_are_closed_to_others_at_every_boot() {
    let volume = Volume::new();
    fs::create_dir_all(volume.path("profiles/coder")).unwrap();
    let files = [".env", "auth.json", "profiles/coder/.env", "profiles/coder/auth.json"];
    for name in files {
        fs::write(volume.path(name), "x").unwrap();
        fs::set_permissions(volume.path(name), Permissions::from_mode(0o664)).unwrap();
    }
    volume.boot([]);
    for name in files {
        assert_eq!(volume.mode(name), 0o600, "{name}");
    }
}

#[test]
fn what_lies_where_something_else_belongs_is_named_and_left_alone() {
    let volume = Volume::new();
    fs::write(volume.path("precious"), "version: 1").unwrap();
    for link in [".env", "config.yaml", "auth.json", "gateway_state.json", "home", "logs"] {
        symlink(volume.path("precious"), volume.path(link)).unwrap();
    }
    fs::create_dir(volume.path("SOUL.md")).unwrap();
    fs::write(volume.path("cron"), "x").unwrap();
    let seeds = [("HERMES_AUTH_JSON_BOOTSTRAP", "{}"), ("HERMES_GATEWAY_BOOTSTRAP_STATE", "running")];
    insta::assert_snapshot!(volume.boot(seeds), @"
    HOME/cron is a file where a directory belongs; move it away
    refusing to follow the symlink HOME/logs: it is left alone; put a directory there, or mount one there
    refusing to follow the symlink HOME/home: it is left alone; put a directory there, or mount one there
    refusing to follow the symlink HOME/.env: it is left alone; put the file itself there, or mount it there
    HOME/SOUL.md is a directory where a file belongs; remove it (an engine makes a directory where a file that is to be mounted does not exist)
    refusing to follow the symlink HOME/auth.json: it is left alone; put the file itself there, or mount it there
    refusing to follow the symlink HOME/config.yaml: it is left alone; put the file itself there, or mount it there
    refusing to follow the symlink HOME/gateway_state.json: it is left alone; put the file itself there, or mount it there
    ");
    assert_eq!(volume.read("precious"), "version: 1");
    assert_eq!(volume.read("cron"), "x");
    assert!(volume.path("home").is_symlink() && volume.path("platforms/pairing").is_dir());
}

#[test]
fn a_fifo_or_a_socket_in_the_place_of_a_file_is_named() {
    use std::os::unix::net::UnixListener;

    let volume = Volume::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, volume.path(".seeds"), 0o600.into()).unwrap();
    UnixListener::bind(volume.path(".env")).unwrap();
    // This one is none of a file.
    UnixListener::bind(volume.path("gateway.sock")).unwrap();
    insta::assert_snapshot!(volume.boot([]), @"
    HOME/.env is a socket where a file belongs; move it away
    HOME/.seeds is a FIFO where a file belongs; move it away
    ");
}

#[test]
fn a_seed_that_failed_is_planted_at_the_next_boot_and_no_other_is() {
    let volume = Volume::new();
    let template = volume.folder.path().join("templates/SOUL.md");
    fs::remove_file(&template).unwrap();
    assert!(volume.boot([]).contains("SOUL.md"));
    fs::remove_file(volume.path(".env")).unwrap();
    fs::write(template, "x").unwrap();
    assert_eq!(volume.boot([]), "");
    assert!(volume.path("SOUL.md").exists() && !volume.path(".env").exists());
}

#[test]
fn a_profile_that_came_before_the_first_boot_costs_no_seed() {
    let volume = Volume::new();
    fs::create_dir_all(volume.path("profiles/coder")).unwrap();
    fs::write(volume.path("profiles/coder/SOUL.md"), "x").unwrap();
    let seeds = [("HERMES_AUTH_JSON_BOOTSTRAP", "{}"), ("HERMES_GATEWAY_BOOTSTRAP_STATE", "running")];
    assert_eq!(volume.boot(seeds), "");
    for name in [".env", "config.yaml", "SOUL.md", "auth.json", "gateway_state.json"] {
        assert!(volume.path(name).exists(), "{name}");
    }
}

#[test]
fn a_volume_of_an_earlier_version_is_not_seeded_again() {
    let volume = Volume::new();
    fs::create_dir_all(volume.path("profiles")).unwrap();
    fs::write(volume.path("config.yaml"), "version: 1\n").unwrap();
    assert_eq!(volume.boot([("HERMES_AUTH_JSON_BOOTSTRAP", "{}")]), "");
    assert!(!volume.path("auth.json").exists() && !volume.path(".env").exists());
    assert_eq!(volume.read(".seeds").lines().count(), 5);
}

#[test]
fn a_seed_that_a_later_image_planted_stays_in_the_list() {
    let volume = Volume::new();
    fs::write(volume.path(".seeds"), "later\n.env\nconfig.yaml\nSOUL.md\nauth.json\n").unwrap();
    assert_eq!(volume.boot([]), "");
    assert_eq!(volume.read(".seeds"), "later\n.env\nconfig.yaml\nSOUL.md\nauth.json\ngateway_state.json\n");
}

#[test]
fn a_list_of_seeds_that_cannot_be_read_brings_nothing_back() {
    let volume = Volume::new();
    fs::create_dir(volume.path(".seeds")).unwrap();
    assert!(volume.boot([("HERMES_AUTH_JSON_BOOTSTRAP", "{}")]).contains("HOME/.seeds is a directory"));
    assert!(!volume.path("auth.json").exists());
}
