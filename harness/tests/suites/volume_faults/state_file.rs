//! Unusable state files. The boot ignores them. A start replaces a file that it can read, and refuses a file that it
//! cannot read.

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, docker_test, secs};

use crate::support::gateways::{
    PROFILES, PlantedProfiles, gateway, gateway_is, gateways, hermes, last_boot, state_file,
};

/// A profile and the script that creates its `gateway_state.json`. The file is readable and has no state.
const REPLACED: [(&str, &str); 10] = [
    ("array", "echo '[]'"),
    ("empty", ":"),
    ("huge", "head -c 104857600 /dev/zero"),
    ("json-in-json", r#"echo '"{\"desired_state\":\"running\"}"'"#),
    ("nested", "yes '[' | head -n 500000 | tr -d '\\n'"),
    ("null", "echo null"),
    ("number", "echo 42"),
    ("nuls", r#"printf '{"desired_state":"running"}\0\0\0'"#),
    (
        "utf-16",
        r#"printf '\377\376{\0"\0d\0e\0s\0i\0r\0e\0d\0_\0s\0t\0a\0t\0e\0"\0:\0"\0r\0u\0n\0n\0i\0n\0g\0"\0}\0'"#,
    ),
    ("whole-and-more", r#"echo '{"desired_state":"running"} x'"#),
];

/// A profile, the script that creates its state file, and a word of the message. The meaning of the file is unknown,
/// so no command replaces it.
const REFUSED: [(&str, &str, &str); 6] = [
    ("directory", "mkdir gateway_state.json", "directory"),
    ("fifo", "mkfifo gateway_state.json", "FIFO"),
    ("link", "ln -s ../elsewhere.json gateway_state.json", "symlink"),
    ("link-to-nothing", "ln -s nowhere gateway_state.json", "symlink"),
    (
        "unreadable",
        "echo '{\"desired_state\":\"running\"}' >gateway_state.json; chown root:root gateway_state.json; chmod 600 gateway_state.json",
        "cannot be read",
    ),
    (
        "socket",
        "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"gateway_state.json\", Listen => 1)'",
        "socket",
    ),
];

/// Boots a container on a volume with all of these profiles and a healthy neighbour.
async fn booted() -> Result<Container> {
    let mut script = "echo '{\"desired_state\":\"running\"}' >elsewhere.json\n".to_owned();
    let replaced = REPLACED.iter().map(|(name, make)| (*name, format!("{{ {make}; }} >gateway_state.json")));
    let refused = REFUSED.iter().map(|(name, make, _)| (*name, (*make).to_owned()));
    let mut builder = Container::builder().cmd(["sleep", "infinity"]).profile("neighbour");
    let wanted = r#"{"desired_state":"running","odd":[1,{"kept":"ä"}]}"#;
    builder = builder.profile_file("neighbour", "gateway_state.json", wanted);
    for (name, make) in replaced.chain(refused) {
        builder = builder.profile(name);
        script.push_str(&format!(
            "(cd {name}; {make}); [ {name} = unreadable ] || chown -Rh hermes:hermes {name}\n"
        ));
    }
    Ok(builder.plant(&script).start_ready().await?)
}

#[docker_test]
async fn a_boot_ignores_unusable_state_files_and_reports_them() -> Result<()> {
    let container = booted().await?;
    let mut names: Vec<_> = REPLACED.iter().map(|(name, _)| *name).collect();
    names.extend(REFUSED.iter().map(|(name, ..)| *name));
    names.push("neighbour");
    names.sort_unstable();
    let mut expected = vec!["profile=default prior_state=none action=registered".to_owned()];
    expected.extend(names.iter().map(|name| match *name {
        "neighbour" => "profile=neighbour prior_state=running action=started".to_owned(),
        name => format!("profile={name} prior_state=none action=registered"),
    }));
    expected.push("profile=elsewhere.json prior_state=none action=skipped".to_owned());
    let boot = last_boot(&container).await?;
    ensure!(boot == expected, "{boot:#?}");
    container.wait_until("the neighbour is up", gateway_is("neighbour", "running"), secs(10)).await?;
    for gateway in gateways(&container).await? {
        if ["default", "neighbour"].contains(&gateway.profile.as_str()) {
            ensure!(gateway.problem.is_none(), "{gateway:?}");
            continue;
        }
        ensure!((gateway.state.as_str(), gateway.pid) == ("stopped", None), "{gateway:?}");
        let problem = gateway.problem.as_deref().unwrap_or_default();
        ensure!(problem.starts_with("its state file is unusable: "), "{gateway:?}");
        let word =
            REFUSED.iter().find(|(name, ..)| *name == gateway.profile).map_or("it ", |(.., word)| word);
        ensure!(problem.contains(word), "no {word:?} in {gateway:?}");
    }
    container.exec(["hermes", "health"]).await?.success();
    Ok(())
}

#[docker_test]
async fn a_start_replaces_only_state_files_that_it_can_read() -> Result<()> {
    let container = booted().await?;
    for (name, _) in REPLACED {
        let start = hermes(&container, name, &["gateway", "start"]).await?.success();
        ensure!(start.took() < secs(10), "{}", start.report("to be quick"));
        let state = state_file(&container, name).await?;
        let wanted = (state["desired_state"].as_str(), state["gateway_state"].as_str());
        ensure!(wanted == (Some("running"), Some("running")), "{name}: {state}");
        ensure!(gateway(&container, name).await?.problem.is_none());
    }
    let looks = "for p in */; do stat -c '%n %F %u %a %i' $p/gateway_state.json; done; cat elsewhere.json";
    let before = container.exec_sh(looks).workdir(PROFILES).await?.success().stdout();
    for (name, _, word) in REFUSED {
        // A start and a stop both have to record the desired state.
        for order in ["start", "stop"] {
            let refused = hermes(&container, name, &["gateway", order]).await?.failure();
            let told = refused.stderr();
            ensure!(told.contains(word) && told.contains(&format!("{name}/gateway_state.json")), "{told}");
            ensure!(told.contains("hint: "), "{}", refused.report("a hint"));
            ensure!(!told.contains("panicked"), "{told}");
        }
        let state = gateway(&container, name).await?;
        ensure!((state.state.as_str(), state.pid) == ("stopped", None), "{state:?}");
    }
    let after = container.exec_sh(looks).workdir(PROFILES).await?.success().stdout();
    ensure!(before == after, "before\n{before}after\n{after}");
    // The command of the hint solves the problem.
    let repair = "mv gateway_state.json gateway_state.json.broken";
    container.exec_sh(repair).workdir(format!("{PROFILES}/directory")).await?.success();
    hermes(&container, "directory", &["gateway", "start"]).await?.success();
    // Unknown fields stay in the file.
    let neighbour = state_file(&container, "neighbour").await?;
    ensure!(neighbour["odd"][1]["kept"] == "ä", "{neighbour}");
    Ok(())
}

#[docker_test]
async fn an_unreadable_state_file_fails_with_77() -> Result<()> {
    let plant = "echo '{}' >coder/gateway_state.json; chmod 600 coder/gateway_state.json; chown root:root coder/gateway_state.json";
    let builder = Container::builder().cmd(["sleep", "infinity"]).profile("coder").plant(plant);
    let container = builder.start_ready().await?;
    hermes(&container, "coder", &["gateway", "start"]).await?.code(77);
    let facts =
        container.file(&format!("{PROFILES}/coder/gateway_state.json")).await?.context("it is there")?;
    ensure!((facts.owner.as_str(), facts.size) == ("root", 3), "{facts:?}");
    Ok(())
}
