//! Secrets that agents do not need: an agent finds neither the dashboard's password nor the seed of `auth.json`.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Process, Request, process_table, slot_ready};
use hermes_harness::{Container, ContainerBuilder, Look, Volume, docker_test, secs};

use crate::support::driving::hermes;
use crate::support::own_services::OwnServices;
use crate::support::setting_up::on_volume;

const PASSWORD: &str = "Never-to-be-seen 0815";
const VARIABLE: &str = "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD";
const SEED_VARIABLE: &str = "HERMES_AUTH_JSON_BOOTSTRAP";
const SEED: &str = r#"{"token":"Never-to-be-seeded 0815"}"#;
/// A secret that agents get. It shows that a search looks in the right places.
const KEY: (&str, &str) = ("CODER_API_KEY", "Seen-by-agents 0815");
const PORT: u16 = 9119;

/// Prints the names of all files with a secret. The pattern does not match the command line of this script.
const SEARCH: &str = r"
for process in /proc/[0-9]*; do
  grep -qaE 'N[e]ver-to-be-see' $process/environ $process/cmdline 2>/dev/null && echo $process: $(cat $process/comm)
done
grep -rlaE -D skip 'N[e]ver-to-be-see' /run /opt/data /tmp /var /etc /dev/shm 2>/dev/null
grep -lE 'S[e]en-by-agents' /run/s6/container_environment/CODER_API_KEY";

/// Returns a container that gets each secret in a variable.
fn with_secrets() -> ContainerBuilder {
    Container::builder()
        .env(VARIABLE, PASSWORD)
        .env(SEED_VARIABLE, SEED)
        .env(KEY.0, KEY.1)
        .env("HERMES_DASHBOARD", "1")
        .env("HERMES_GATEWAY_BOOTSTRAP_STATE", "running")
        .publish(PORT)
        .cmd(["sleep", "infinity"])
}

/// Searches for secrets as an agent does. The search runs without the environment of `docker exec`.
async fn search_as_agent(container: &Container) -> Result<Vec<String>> {
    let search = ["env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", SEARCH];
    let output = container.exec(search).deadline(secs(30)).await?.success();
    Ok(output.stdout().lines().map(str::to_owned).collect())
}

/// Checks that an agent finds its own key, these files, and no other secret.
async fn check_found_secrets(container: &Container, expected: &[&str]) -> Result<()> {
    let stored_key = "/run/s6/container_environment/CODER_API_KEY";
    let expected: Vec<_> = expected.iter().copied().chain([stored_key]).collect();
    let found = search_as_agent(container).await?;
    ensure!(found == expected, "an agent found {found:#?}");
    Ok(())
}

async fn log_in(container: &Container, password: &str) -> Result<u16> {
    let login = Request::post("/login").form(&[("username", "hermes"), ("password", password)]);
    Ok(container.http(PORT, &login).await?.status)
}

async fn check_password_login(container: &Container) -> Result<()> {
    container.wait_until("the dashboard is bound", slot_ready("dashboard"), secs(10)).await?;
    ensure!(log_in(container, "wrong").await? == 401);
    ensure!(log_in(container, PASSWORD).await? == 303, "the right password does not log in");
    hermes(container, "dashboard link").as_root().await?.code(1);
    Ok(())
}

#[docker_test]
#[case::default(with_secrets())]
#[case::s6_keep_env(with_secrets().env("S6_KEEP_ENV", "1"))]
#[case::puid(with_secrets().env("PUID", "1234").env("PGID", "1234"))]
#[case::docker_init(with_secrets().init())]
#[case::tini(with_secrets().entrypoint(["/usr/bin/tini", "-g", "--", "/opt/hermes/docker/entrypoint.sh"]))]
#[case::user(with_secrets().user("10000:10000"))]
async fn an_agent_finds_no_secret_in_any_container(#[case] builder: ContainerBuilder) -> Result<()> {
    let container = builder.start_ready().await?;
    check_password_login(&container).await?;
    let ready = slot_ready("gateway-default");
    container.wait_until("the default gateway runs", ready, secs(10)).await?;
    check_found_secrets(&container, &["/opt/data/auth.json"]).await?;
    Ok(())
}

#[docker_test]
async fn a_password_file_of_root_reaches_agents_as_hash() -> Result<()> {
    let secrets = Volume::new().await?;
    on_volume(&secrets, &format!("printf '%s\\n' '{PASSWORD}' >password; chmod 400 password; chmod 700 ."))
        .await?;
    let container = with_secrets()
        .env(VARIABLE, "")
        .env(SEED_VARIABLE, "")
        .volume_read_only(&secrets, "/run/secrets")
        .env(&format!("{VARIABLE}_FILE"), "/run/secrets/password")
        .start_ready()
        .await?;
    for boot in ["first", "second"] {
        check_password_login(&container).await.context(boot)?;
        check_found_secrets(&container, &[]).await.context(boot)?;
        let hash = "cat /run/s6/container_environment/HERMES_DASHBOARD_BASIC_AUTH_PASSWORD_HASH";
        let hash = container.exec_sh(hash).await?.success().stdout();
        ensure!(hash.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"), "{hash}");
        container.restart().await?;
        container.ready().await?;
    }
    Ok(())
}

/// A service that becomes ready after the search of the spy. `/init` waits for it with a program of the account.
const SLOW: &str = "#!/bin/sh\nuntil [ -e /tmp/spied ]; do sleep 0.02; done\necho >&3\nexec sleep infinity\n";

/// Returns a service that searches for secrets during the boot.
fn spy() -> String {
    format!(
        "#!/bin/sh\n[ -e /tmp/spied ] && exec sleep infinity\nuntil grep -qsE '^s6-sv(wait|listen)' /proc/[0-9]*/comm; do sleep 0.02; done\n\
         ({SEARCH}) >/tmp/spying 2>&1\nmv /tmp/spying /tmp/spied\nexec sleep infinity\n"
    )
}

#[docker_test]
async fn an_agent_that_looks_during_the_boot_finds_no_secret() -> Result<()> {
    let container = with_secrets()
        .user_service("slow", SLOW)
        .file("/etc/s6-overlay/s6-rc.d/slow/notification-fd", 0o644, "3\n")
        .user_service("spy", &spy())
        .start_ready()
        .await?;
    let spied = container.exec(["cat", "/tmp/spied"]).await?.success().stdout();
    let expected = "/opt/data/auth.json\n/run/s6/container_environment/CODER_API_KEY";
    ensure!(spied.trim() == expected, "during the boot an agent found {spied}");
    Ok(())
}

#[docker_test]
async fn commands_of_docker_exec_show_agents_no_secret() -> Result<()> {
    let container = with_secrets().start_ready().await?;
    check_password_login(&container).await?;
    // The editor belongs to the agent. It stores its environment, and runs until the end of the search.
    let editor = r"printf '#!/bin/sh\nenv >/tmp/editors-environment\nexec sleep 60\n' >/tmp/editor
        chmod 755 /tmp/editor";
    container.exec_sh(editor).await?.success();
    let commands: [&[&str]; 3] = [
        &["hermes", "logs", "-f"],
        &["hermes", "config", "edit"],
        &["/opt/hermes/docker/main-wrapper.sh", "sleep", "60"],
    ];
    let held = commands.map(|command| {
        container.exec(command.iter().copied()).as_root().env("EDITOR", "/tmp/editor").deadline(secs(60))
    });
    let is_held = |process: &Process| {
        let words = process.argv.join(" ");
        process.user == "hermes" && (words.ends_with("logs -f") || words == "sleep 60")
    };
    let search = async {
        let all_run = async |container: &Container| {
            let processes = container.processes().await?;
            let running = processes.iter().filter(|process| is_held(process)).count();
            let edits = container.file("/tmp/editors-environment").await?.is_some();
            Ok(Look::holds(running == 3 && edits, || {
                format!("{running} of 3 run:\n{}", process_table(&processes))
            }))
        };
        container.wait_until("all commands run", all_run, secs(15)).await?;
        check_found_secrets(&container, &["/opt/data/auth.json"]).await?;
        for process in container.processes().await?.iter().filter(|process| is_held(process)) {
            container.exec_sh(&format!("kill {}", process.pid)).await?.either_way();
        }
        anyhow::Ok(())
    };
    let [first, second, third] = held.map(std::future::IntoFuture::into_future);
    let (searched, ..) = tokio::join!(search, first, second, third);
    searched?;
    let seen = container.exec(["cat", "/tmp/editors-environment"]).await?.success().stdout();
    ensure!(seen.contains("HERMES_HOME=") && !seen.contains("BASIC_AUTH_PASSWORD="), "{seen}");
    Ok(())
}

#[docker_test]
async fn a_container_without_a_password_stores_no_hash() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    let stored = container.exec_sh("ls /run/s6 /run/s6/container_environment").as_root().await?.success();
    let stored = stored.stdout();
    ensure!(!stored.contains("withheld") && !stored.contains("PASSWORD_HASH"), "{stored}");
    Ok(())
}

#[docker_test]
async fn the_credential_is_stored_in_its_own_home() -> Result<()> {
    let credentials = Volume::new().await?;
    on_volume(&credentials, "chown 10000:10000 .").await?;
    let container = Container::builder()
        .volume(&credentials, "/credentials")
        .env("HERMES_AUTH_HOME", "/credentials")
        .env(SEED_VARIABLE, SEED)
        .cmd(["sleep", "infinity"])
        .start_ready()
        .await?;
    container.exec(["cat", "/credentials/auth.json"]).await?.success().stdout_is(SEED);
    ensure!(container.file("/opt/data/auth.json").await?.is_none(), "the credential is on the volume");
    Ok(())
}

#[docker_test]
#[case::relative("credentials", "it is not an absolute path")]
#[case::missing("/nowhere", "No such file")]
async fn no_credential_is_stored_without_a_valid_home(#[case] home: &str, #[case] cause: &str) -> Result<()> {
    let container = Container::builder()
        .env("HERMES_AUTH_HOME", home)
        .env(SEED_VARIABLE, SEED)
        .cmd(["sleep", "infinity"])
        .start_ready()
        .await?;
    let log = container.log().await?;
    let refusal = format!("HERMES_AUTH_HOME={home} is refused, and auth.json is not made: {cause}");
    ensure!(log.contains(&refusal), "{log}");
    ensure!(container.file("/opt/data/auth.json").await?.is_none(), "{home}: it is on the volume");
    Ok(())
}
