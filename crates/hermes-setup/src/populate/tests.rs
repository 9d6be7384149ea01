//! Tests of the half that the account does, on a volume in a temporary directory.

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

    /// Does a boot, and returns its notices.
    fn boot<const N: usize>(&self, variables: [(&str, &str); N]) -> String {
        let mut notices = Notices::default();
        let prepared = Prepared { usable: true };
        let templates = self.folder.path().join("templates");
        populate_from(&templates, &self.home, &variables.into(), prepared, &mut notices);
        notices.text().replace(&self.home.root().display().to_string(), "HOME")
    }
}

#[test]
fn only_the_first_boot_plants_seeds() {
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
    assert!(!volume.path("SOUL.md").exists(), "a file that the operator removed stays removed");
    assert!(!volume.path("auth.json").exists(), "on a first boot only");
    assert!(volume.path("plans").is_dir(), "a directory of Hermes is created again");
}

#[test]
fn seeds_never_overwrite_files() {
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
fn secret_seeds_are_planted_and_never_printed() {
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
        "HERMES_AUTH_JSON_BOOTSTRAP is not a JSON object, and auth.json is not created; give it the whole content of an auth.json\n"
    );
    assert!(!volume.path("auth.json").exists());
}

#[test]
fn secret_files_are_made_private_at_every_boot() {
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
fn wrong_kinds_are_reported_and_not_changed() {
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
fn fifo_or_socket_in_place_of_a_file_is_reported() {
    use std::os::unix::net::UnixListener;

    let volume = Volume::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, volume.path(".seeds"), 0o600.into()).unwrap();
    UnixListener::bind(volume.path(".env")).unwrap();
    // This socket is in its right place.
    UnixListener::bind(volume.path("gateway.sock")).unwrap();
    insta::assert_snapshot!(volume.boot([]), @"
    HOME/.env is a socket where a file belongs; move it away
    HOME/.seeds is a FIFO where a file belongs; move it away
    ");
}

#[test]
fn only_a_failed_seed_is_planted_again() {
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
fn profile_from_before_the_first_boot_prevents_no_seed() {
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
fn volume_of_an_earlier_version_gets_no_seeds() {
    let volume = Volume::new();
    fs::create_dir_all(volume.path("profiles")).unwrap();
    fs::write(volume.path("config.yaml"), "version: 1\n").unwrap();
    assert_eq!(volume.boot([("HERMES_AUTH_JSON_BOOTSTRAP", "{}")]), "");
    assert!(!volume.path("auth.json").exists() && !volume.path(".env").exists());
    assert_eq!(volume.read(".seeds").lines().count(), 5);
}

#[test]
fn seed_of_a_later_image_stays_in_the_list() {
    let volume = Volume::new();
    fs::write(volume.path(".seeds"), "later\n.env\nconfig.yaml\nSOUL.md\nauth.json\n").unwrap();
    assert_eq!(volume.boot([]), "");
    assert_eq!(volume.read(".seeds"), "later\n.env\nconfig.yaml\nSOUL.md\nauth.json\ngateway_state.json\n");
}

#[test]
fn unreadable_list_of_seeds_plants_no_seed() {
    let volume = Volume::new();
    fs::create_dir(volume.path(".seeds")).unwrap();
    assert!(volume.boot([("HERMES_AUTH_JSON_BOOTSTRAP", "{}")]).contains("HOME/.seeds is a directory"));
    assert!(!volume.path("auth.json").exists());
}

#[test]
fn taken_over_profiles_get_ports_once() {
    let volume = Volume::new();
    let files = [
        ("bare", "SOUL.md", "x"),
        ("coder", "config.yaml", "# mine\nmodel: m\n"),
        ("holder", "config.yaml", "version: 1\ngateway:\n  port: 9653\n"),
        ("without", "config.yaml", "version: 1\n"),
        ("variable", ".env", "API_SERVER_PORT=9300\n"),
    ];
    for (profile, name, text) in files {
        fs::create_dir_all(volume.path("profiles").join(profile)).unwrap();
        fs::write(volume.path("profiles").join(profile).join("SOUL.md"), "x").unwrap();
        fs::write(volume.path("profiles").join(profile).join(name), text).unwrap();
    }
    let notices = volume.boot([]);
    assert!(
        notices.lines().count() == 1 && notices.contains("migrated HOME/profiles/coder/config.yaml"),
        "{notices}"
    );
    // The port of the name is another profile's.
    assert_eq!(
        volume.read("profiles/coder/config.yaml"),
        "# mine\nmodel: m\nversion: 1\ngateway:\n  port: 9654\n"
    );
    let bare = volume.read("profiles/bare/config.yaml");
    assert!(bare.starts_with("version: 1\ngateway:\n  port: 9"), "{bare}");
    assert_eq!(volume.read("profiles/without/config.yaml"), "version: 1\n", "an operator may unset the port");
    assert!(!volume.path("profiles/variable/config.yaml").exists(), "it has a port");
    assert!(volume.read("config.yaml").starts_with("version: 1 # the template"));
    assert_eq!(volume.boot([]), "");
    assert_eq!(volume.read("profiles/bare/config.yaml"), bare);
}

#[test]
fn broken_configuration_gets_no_port() {
    let volume = Volume::new();
    fs::create_dir_all(volume.path("profiles/coder")).unwrap();
    fs::write(volume.path("profiles/coder/SOUL.md"), "x").unwrap();
    fs::write(volume.path("profiles/coder/config.yaml"), "a: {\n").unwrap();
    let notices = volume.boot([]);
    assert!(notices.contains("the configuration stays as it is"), "{notices}");
    assert_eq!(volume.read("profiles/coder/config.yaml"), "a: {\n");
}
