//! The rules of the repository that no compiler and no linter knows, as ordinary tests.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of code that is longer wants to be two.
const LONGEST_FILE: usize = 500;

/// Where a pause of fixed length is in order, and why.
const SLEEPS: &[(&str, &str)] = &[
    ("crates/hermes-os/src/lock_file.rs", "the pause between two tries to take a lock, under a deadline"),
    (
        "crates/hermes-server/src/write_timeout.rs",
        "the deadline of a client that takes nothing of its answer",
    ),
    (
        "crates/hermes/src/commands/container/gateway_run.rs",
        "the growing delay after a crash: the time itself is the promise",
    ),
    ("crates/hermes-os/src/waiting.rs", "the pause between two looks at a condition, under a deadline"),
    (
        "crates/hermes-gateway/src/lock.rs",
        "the pause between two tries for a lock that others look at, under a deadline",
    ),
    (
        "crates/hermes-init/src/forwarder/mod.rs",
        "the back-off of a forwarder that ended at once: the time itself is the promise",
    ),
    ("crates/hermes-init/src/tree.rs", "the pause between two looks at a condition, under a deadline"),
    ("crates/hermes-init/src/user_tree.rs", "the pause between two looks at a condition, under a deadline"),
    (
        "crates/hermes-service/src/manager/readiness.rs",
        "the pause between two looks at a gateway, under a deadline",
    ),
    ("harness/src/exec.rs", "the pause between two looks at an exec that has ended"),
    ("harness/src/wait.rs", "the pause between two looks of every wait"),
];

/// The actions that workflows may use. Each pair of version and commit was read in several
/// independent public repositories; an action that is not here is not used.
const ACTIONS: &[(&str, &str, &str)] = &[
    ("actions/checkout", "v7.0.0", "9c091bb21b7c1c1d1991bb908d89e4e9dddfe3e0"),
    ("actions/upload-artifact", "v7.0.1", "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a"),
    ("actions/download-artifact", "v8.0.1", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"),
    ("Swatinem/rust-cache", "v2.9.1", "c19371144df3bb44fab255c43d04cbc2ab54d1c4"),
    ("docker/setup-buildx-action", "v4.1.0", "d7f5e7f509e45cec5c76c4d5afdd7de93d0b3df5"),
    ("docker/build-push-action", "v7.2.0", "f9f3042f7e2789586610d6e8b85c8f03e5195baf"),
    ("docker/login-action", "v4.2.0", "650006c6eb7dba73a995cc03b0b2d7f5ca915bee"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files of the repository, new ones included, that end in one of `endings`.
fn files(endings: &[&str]) -> Vec<(String, String)> {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .unwrap();
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    let mut files: Vec<_> = names
        .lines()
        .filter(|name| endings.iter().any(|ending| name.ends_with(ending)))
        .filter(|name| !root().join(name).is_symlink())
        // A file that was removed and not yet committed, or is not text, is none of ours.
        .filter_map(|name| Some((name.to_owned(), fs::read_to_string(root().join(name)).ok()?)))
        .collect();
    files.sort();
    files.dedup();
    files
}

/// Fails with all findings at once.
#[track_caller]
fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn no_file_of_code_is_too_long() {
    let long = files(&[".rs"])
        .into_iter()
        .filter(|(_, text)| text.lines().count() > LONGEST_FILE)
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    none(&format!("a file has at most {LONGEST_FILE} lines; give a part of it a name of its own"), long);
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = files(&[".rs"])
        .into_iter()
        // Attributes of the whole file may come first.
        .filter(|(_, text)| {
            let first = text.lines().find(|line| !line.starts_with("#![") && !line.is_empty());
            !first.is_some_and(|line| line.starts_with("//! "))
        })
        .map(|(name, _)| name)
        .collect();
    none("a file of Rust begins with a `//!` line", silent);
}

#[test]
fn no_module_is_a_drawer_for_anything() {
    let drawers = files(&[".rs"])
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| {
            let path = Path::new(name);
            let mut parts = path.iter().chain(path.file_stem());
            parts.any(|part| {
                ["utils", "util", "helpers", "helper", "common", "misc"].iter().any(|bad| part == *bad)
            })
        })
        .collect();
    none("a module is named after what it does", drawers);
}

#[test]
fn nothing_waits_for_a_fixed_time() {
    let sleeps = files(&[".rs"])
        .into_iter()
        .filter(|(name, _)| name != "xtask/tests/tidy.rs" && !SLEEPS.iter().any(|(file, _)| file == name))
        .flat_map(|(name, text)| {
            let lines = text.lines().enumerate();
            let found =
                lines.filter(|(_, line)| line.contains("thread::sleep(") || line.contains("time::sleep("));
            found.map(|(index, _)| format!("{name}:{}", index + 1)).collect::<Vec<_>>()
        })
        .collect();
    none("wait for a condition with a deadline; a pause between two looks is named in SLEEPS", sleeps);
}

#[test]
fn the_product_prints_without_panicking() {
    let macros = ["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("];
    let prints = files(&[".rs"])
        .into_iter()
        .filter(|(name, _)| name.starts_with("crates/"))
        .filter(|(name, _)| !name.contains("/tests/") && !name.ends_with("tests.rs"))
        .flat_map(|(name, text)| {
            // Tests come last in a file.
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            let found = product.lines().enumerate().filter(|(_, line)| {
                let code = line.split("//").next().unwrap_or_default();
                macros.iter().any(|name| {
                    code.match_indices(name).any(|(at, _)| {
                        !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
                    })
                })
            });
            found.map(|(number, _)| format!("{name}:{}", number + 1)).collect::<Vec<_>>()
        })
        .collect();
    none(
        "println! and its like panic where the output is closed or full; hermes prints through output.rs",
        prints,
    );
}

#[test]
fn the_places_that_may_sleep_still_do() {
    let idle = SLEEPS
        .iter()
        .filter(|(file, _)| !fs::read_to_string(root().join(file)).is_ok_and(|text| text.contains("sleep(")))
        .map(|(file, _)| (*file).to_owned())
        .collect();
    none("SLEEPS names a file that does not sleep", idle);
}

#[test]
fn no_registry_is_named() {
    // Put together here, so that this file does not name them.
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
fn links_in_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for (name, text) in files(&[".md"]) {
        let folder = root().join(&name).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !folder.join(target).exists() {
                dead.push(format!("{name}: {target}"));
            }
        }
    }
    none("a relative link leads to a file", dead);
}

#[test]
fn scripts_can_be_executed() {
    use std::os::unix::fs::PermissionsExt as _;
    let lame = files(&[""])
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
    none("a script is executable (`git update-index --chmod=+x`) and has plain line ends", lame);
}

#[test]
fn what_a_slot_calls_is_a_link_to_hermes() {
    let entries = fs::read_dir(root().join("docker/verbs")).unwrap().map(|entry| entry.unwrap().path());
    let is_other =
        |path: &PathBuf| fs::read_link(path).ok().as_deref() != Some(Path::new("/opt/hermes/bin/hermes"));
    let other: Vec<_> = entries.filter(is_other).map(|path| path.display().to_string()).collect();
    none(
        "an entry of docker/verbs is a symbolic link: a copy of the tree may have made files of them",
        other,
    );
}

#[test]
fn arrows_run_one_way() {
    let mut wrong = Vec::new();
    let depends = |manifest: &str, on: &str| {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        text.lines().any(|line| line.split(['=', '.', ' ']).next() == Some(on))
    };
    for product in ["hermes", "hermes-init"] {
        for tool in ["harness/Cargo.toml", "xtask/Cargo.toml"] {
            if depends(tool, product) {
                wrong.push(format!("{tool} knows {product}: the tools look at it from outside only"));
            }
        }
    }
    for other in ["hermes", "hermes-harness", "tokio", "clap"] {
        if depends("crates/hermes-init/Cargo.toml", other) {
            wrong
                .push(format!("hermes-init links {other}: it is the first thing that runs, and stays small"));
        }
    }
    if depends("xtask/Cargo.toml", "bollard") || depends("xtask/Cargo.toml", "tokio") {
        wrong.push("xtask compiles in seconds: what needs a Docker client lies in the harness".to_owned());
    }
    none("ARCHITECTURE.md says who may know whom", wrong);
}
