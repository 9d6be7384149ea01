//! The image's files and the workflows of CI.

use std::fs;
use std::path::{Path, PathBuf};

use crate::repository::{files, none, root};

/// The actions that workflows may use, with version and commit. Several independent public repositories
/// confirmed each pair.
const ACTIONS: &[(&str, &str, &str)] = &[
    ("actions/checkout", "v7.0.0", "9c091bb21b7c1c1d1991bb908d89e4e9dddfe3e0"),
    ("actions/upload-artifact", "v7.0.1", "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a"),
    ("actions/download-artifact", "v8.0.1", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"),
    ("Swatinem/rust-cache", "v2.9.1", "c19371144df3bb44fab255c43d04cbc2ab54d1c4"),
    ("docker/setup-buildx-action", "v4.1.0", "d7f5e7f509e45cec5c76c4d5afdd7de93d0b3df5"),
    ("docker/build-push-action", "v7.2.0", "f9f3042f7e2789586610d6e8b85c8f03e5195baf"),
    ("docker/login-action", "v4.2.0", "650006c6eb7dba73a995cc03b0b2d7f5ca915bee"),
];

#[test]
fn actions_are_pinned_by_commit() {
    let loose = files(&[".yml", ".yaml"])
        .into_iter()
        .filter(|(name, _)| name.starts_with(".github/"))
        .flat_map(|(name, text)| {
            let uses = text.lines().enumerate().filter_map(|(index, line)| {
                let line = line.trim().trim_start_matches("- ");
                Some((index + 1, line.strip_prefix("uses:")?.trim().to_owned()))
            });
            let loose = uses.filter(|(_, what)| {
                !what.starts_with("./")
                    && !ACTIONS
                        .iter()
                        .any(|(action, version, commit)| *what == format!("{action}@{commit} # {version}"))
            });
            loose.map(|(line, what)| format!("{name}:{line}: {what}")).collect::<Vec<_>>()
        })
        .collect();
    none("`uses: NAME@COMMIT # VERSION` as in ACTIONS", loose);
}

#[test]
fn no_registry_is_named() {
    // The parts are joined here, so that this file names no host.
    let hosts: Vec<String> = [
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("gcr", "io"),
        ("registry.k8s", "io"),
        ("mcr.microsoft", "com"),
        ("public.ecr", "aws"),
        ("index.crates", "io"),
        ("static.crates", "io"),
        ("deb.debian", "org"),
        ("pypi", "org"),
    ]
    .iter()
    .map(|(name, top)| format!("{name}.{top}"))
    .collect();
    let named = files(&[""])
        .into_iter()
        .filter(|(name, _)| name != "Cargo.lock")
        .flat_map(|(name, text)| {
            let found = hosts.iter().filter(|host| text.contains(host.as_str()));
            found.map(|host| format!("{name}: {host}")).collect::<Vec<_>>()
        })
        .collect();
    none("registries and mirrors are the machine's to configure", named);
}

#[test]
fn scripts_can_be_executed() {
    use std::os::unix::fs::PermissionsExt as _;
    let broken = files(&[""])
        .into_iter()
        .filter(|(name, text)| {
            (name.starts_with("docker/") || name.starts_with(".ci/")) && text.starts_with("#!")
        })
        .filter(|(name, text)| {
            let mode = fs::metadata(root().join(name)).unwrap().permissions().mode();
            mode & 0o111 != 0o111 || text.contains('\r')
        })
        .map(|(name, _)| name)
        .collect();
    none("a script is executable (`git update-index --chmod=+x`) and has plain line ends", broken);
}

#[test]
fn docker_verbs_are_links_to_hermes() {
    let entries = fs::read_dir(root().join("docker/verbs")).unwrap().map(|entry| entry.unwrap().path());
    let is_other =
        |path: &PathBuf| fs::read_link(path).ok().as_deref() != Some(Path::new("/opt/hermes/bin/hermes"));
    let other: Vec<_> = entries.filter(is_other).map(|path| path.display().to_string()).collect();
    none(
        "an entry of docker/verbs is a symbolic link: a copy of the tree may have made files of them",
        other,
    );
}
