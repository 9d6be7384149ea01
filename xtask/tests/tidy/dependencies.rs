//! The dependency rules between the crates of the workspace, after `ARCHITECTURE.md`.

use std::collections::BTreeSet;

use crate::repository::{cargo, files, none, packages};

/// The crates of the workspace that one crate may depend on.
struct Crate {
    name: &'static str,
    knows: &'static [&'static str],
    /// Further crates that only its tests may depend on.
    tests_know: &'static [&'static str],
}

/// One row for each member of the workspace.
const CRATES: &[Crate] = &[
    // The product, the lowest crate first. No row names `hermes-init` or `hermes`.
    Crate { name: "hermes-os", knows: &[], tests_know: &[] },
    Crate { name: "hermes-core", knows: &["hermes-os"], tests_know: &[] },
    // /init links this crate, so it stays small.
    Crate { name: "hermes-account", knows: &[], tests_know: &[] },
    Crate { name: "hermes-service", knows: &["hermes-core", "hermes-os"], tests_know: &[] },
    Crate { name: "hermes-server", knows: &["hermes-core", "hermes-os"], tests_know: &[] },
    // The engine has no HTTP server and no terminal.
    Crate { name: "hermes-agent", knows: &["hermes-core", "hermes-os"], tests_know: &[] },
    // Pid and lock files have their formats in `hermes-core`, so this crate needs no gateway.
    Crate {
        name: "hermes-operations",
        knows: &["hermes-core", "hermes-os", "hermes-service"],
        tests_know: &[],
    },
    Crate {
        name: "hermes-gateway",
        knows: &["hermes-agent", "hermes-core", "hermes-os", "hermes-server"],
        tests_know: &[],
    },
    Crate {
        name: "hermes-dashboard",
        knows: &["hermes-core", "hermes-operations", "hermes-os", "hermes-server"],
        // The service manager in memory.
        tests_know: &["hermes-service"],
    },
    // The words of a conversation, for `hermes chat` and the full screen.
    Crate {
        name: "hermes-terminal",
        knows: &["hermes-agent", "hermes-operations", "hermes-os"],
        tests_know: &[],
    },
    // It runs the engine itself, as `hermes chat` does.
    Crate {
        name: "hermes-tui",
        knows: &["hermes-agent", "hermes-core", "hermes-operations", "hermes-os", "hermes-terminal"],
        tests_know: &[],
    },
    Crate { name: "hermes-setup", knows: &["hermes-account", "hermes-core", "hermes-os"], tests_know: &[] },
    Crate { name: "hermes-init", knows: &["hermes-account"], tests_know: &[] },
    Crate {
        name: "hermes",
        knows: &[
            "hermes-account",
            "hermes-agent",
            "hermes-core",
            "hermes-dashboard",
            "hermes-gateway",
            "hermes-operations",
            "hermes-os",
            "hermes-server",
            "hermes-service",
            "hermes-setup",
            "hermes-terminal",
            "hermes-tui",
        ],
        tests_know: &[],
    },
    // The tools look at the product from outside, so they know no crate of it.
    Crate { name: "container-harness-macros", knows: &[], tests_know: &[] },
    Crate { name: "container-harness", knows: &["container-harness-macros"], tests_know: &[] },
    Crate { name: "browser-harness", knows: &["container-harness"], tests_know: &[] },
    Crate { name: "stand-in", knows: &[], tests_know: &[] },
    Crate {
        name: "hermes-harness",
        knows: &["browser-harness", "container-harness", "container-harness-macros", "stand-in"],
        tests_know: &[],
    },
    Crate { name: "xtask", knows: &[], tests_know: &[] },
];

/// The parts of the harness that test any image.
const GENERAL_HARNESS: &[&str] = &["harness/browser/", "harness/container/", "harness/macros/"];

/// Crates that a package must not link, directly or through others, and the reason.
const NEVER_LINKED: &[(&str, &[&str], &str)] = &[
    ("hermes-init", &["clap", "tokio"], "it is the first process of every container, and stays small"),
    ("xtask", &["bollard", "tokio"], "it compiles in seconds; a Docker client belongs in the harness"),
];

#[test]
fn crates_depend_only_on_crates_of_their_row() {
    let mut findings = Vec::new();
    let packages = packages();
    let name_of = |package: &serde_json::Value| package["name"].as_str().unwrap().to_owned();
    let members: BTreeSet<String> = packages.iter().map(name_of).collect();
    for package in &packages {
        let name = name_of(package);
        let Some(row) = CRATES.iter().find(|row| row.name == name) else {
            findings.push(format!("{name} is a member of the workspace without a row"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = name_of(dependency);
            let kind = dependency["kind"].as_str().unwrap_or("normal");
            let allowed = row.knows.contains(&other.as_str())
                || kind == "dev" && row.tests_know.contains(&other.as_str());
            if members.contains(&other) && !allowed {
                findings.push(format!("{name} → {other} ({kind}); its row has {:?}", row.knows));
            }
        }
    }
    let rows_ahead = CRATES.iter().filter(|row| !members.contains(row.name));
    findings
        .extend(rows_ahead.map(|row| format!("{} has a row and is no member of the workspace", row.name)));
    none("CRATES lists the dependencies that ARCHITECTURE.md allows", findings);
}

#[test]
fn small_packages_link_no_large_crates() {
    let mut findings = Vec::new();
    for (package, banned, reason) in NEVER_LINKED {
        let tree = cargo(&[
            "tree",
            "--locked",
            "--package",
            package,
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]);
        let linked: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        println!("{package} links {} crates", linked.len() - 1);
        let found = banned.iter().filter(|name| linked.contains(*name));
        findings.extend(found.map(|name| format!("{package} links {name}: {reason}")));
    }
    none("a small package stays small", findings);
}

#[test]
fn the_general_harness_names_no_product() {
    let named = files(&[".rs", ".sh", ".js", ".toml"])
        .into_iter()
        .filter(|(name, _)| GENERAL_HARNESS.iter().any(|folder| name.starts_with(folder)))
        .filter(|(_, text)| text.to_lowercase().contains("hermes"))
        .map(|(name, _)| name);
    none("harness/src/product.rs describes hermes; these files test any image", named.collect());
}
