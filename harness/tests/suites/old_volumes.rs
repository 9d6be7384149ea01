//! The volumes of the Python program, hermes-agent 0.19: profiles, sessions, memory and settings count from the first boot.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use hermes_harness::{Container, ContainerBuilder, StandIn, Volume, docker_test};
use predicates::str::contains;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::support::driving::answers_at_both_doors;
use crate::support::gateways::{gateways, hermes};

/// The profiles `default` and `coder` with conversations. The last message of `coder` is in the write-ahead log alone.
const SESSIONS: &[u8] = include_bytes!("../data/hermes-agent-0.19-sessions.tar.gz");

/// The profiles `default`, `coder` and `writer`. The named ones have no `config.yaml`.
const PROFILES: &[u8] = include_bytes!("../data/hermes-agent-0.19-volume.tar.gz");

/// Returns a container whose volume had this content before its first boot.
async fn container_on(archive: &[u8]) -> Result<ContainerBuilder> {
    let volume = Volume::new().await?;
    let unpack = Container::builder().volume(&volume, "/opt/data").entrypoint(["tar"]).stdin(archive);
    unpack.interactive().run(["xzpf", "-", "-C", "/opt/data"]).await?.success();
    Ok(Container::builder().volume(&volume, "/opt/data").cmd(["sleep", "infinity"]))
}

/// A session of the Python program: the texts of its messages with their roles.
type Texts = Vec<(String, String)>;

/// The messages of [`SESSIONS`], as SQLite reads them: by profile and session. Empty texts, beside tool calls, are left out.
fn old_sessions() -> Result<BTreeMap<(&'static str, String), Texts>> {
    let folder = tempfile::tempdir()?;
    tar::Archive::new(GzDecoder::new(SESSIONS)).unpack(folder.path())?;
    let mut sessions = BTreeMap::<_, Texts>::new();
    for (profile, file) in [("default", "state.db"), ("coder", "profiles/coder/state.db")] {
        for (session, role, text) in messages_in(&folder.path().join(file))? {
            sessions.entry((profile, session)).or_default().push((role, text));
        }
    }
    // One message too few would be the one of the write-ahead log.
    let messages: usize = sessions.values().map(Vec::len).sum();
    ensure!(sessions.len() == 4 && messages == 14, "{messages} messages in {sessions:#?}");
    Ok(sessions)
}

fn messages_in(database: &Path) -> Result<Vec<(String, String, String)>> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut statement = connection
        .prepare("SELECT session_id, role, content FROM messages WHERE content <> '' ORDER BY id")?;
    let messages = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(messages.collect::<Result<_, _>>()?)
}

/// Returns the text of a file in [`SESSIONS`].
fn old_file(wanted: &str) -> Result<String> {
    let mut archive = tar::Archive::new(GzDecoder::new(SESSIONS));
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.path()?.ends_with(wanted)
            && entry.path()?.components().count() == Path::new(wanted).components().count() + 1
        {
            return Ok(std::io::read_to_string(entry)?);
        }
    }
    anyhow::bail!("no {wanted} in the archive")
}

/// Makes the stand-in the server of both profiles, whose old settings name another one.
async fn use_stand_in(container: &Container, model: &StandIn) -> Result<()> {
    for profile in ["default", "coder"] {
        let words = ["config", "set", "model.base_url", &model.url()];
        hermes(container, profile, &words).await?.success();
    }
    Ok(())
}

/// Returns the roles and texts of a request to the model, without the empty texts beside tool calls.
fn texts_of(request: &Value) -> Result<Texts> {
    let messages = request["body"]["messages"].as_array().context("messages")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = messages.iter().map(|message| (text(&message["role"]), text(&message["content"])));
    Ok(texts.filter(|(_, text)| !text.is_empty()).collect())
}

#[docker_test]
async fn old_messages_are_shown_and_found() -> Result<()> {
    let container = container_on(SESSIONS).await?.start_ready().await?;
    for ((profile, session), texts) in old_sessions()? {
        let shown = hermes(&container, profile, &["sessions", "show", &session]).await?.success();
        for (role, text) in texts {
            if role == "tool" {
                continue;
            }
            shown.stdout_matches(contains(&text));
            let found =
                hermes(&container, profile, &["sessions", "search", &text, "--json"]).await?.success();
            let hits: Value = serde_json::from_str(&found.stdout())?;
            let hits = hits.as_array().context("hits")?;
            let is_hit = |hit: &Value| hit["session"] == session.as_str() && hit["role"] == role.as_str();
            ensure!(hits.iter().any(is_hit), "{}", found.report(&format!("a hit in {session}")));
        }
    }
    Ok(())
}

#[docker_test]
async fn resumed_old_session_sends_its_messages() -> Result<()> {
    let model = StandIn::start().await?;
    let container = container_on(SESSIONS).await?.start_ready().await?;
    use_stand_in(&container, &model).await?;
    for ((profile, session), mut texts) in old_sessions()? {
        let words = ["chat", "--resume", &session, "-q", "And now?"];
        hermes(&container, profile, &words).await?.success();
        let mut sent = texts_of(model.requests().last().context("a request")?)?;
        ensure!(sent.remove(0).0 == "system", "no prompt: {sent:#?}");
        // The last message of `coder` has no answer. It becomes one message with the new one.
        match texts.last_mut() {
            Some((role, text)) if role == "user" => text.push_str("\n\nAnd now?"),
            _ => texts.push(("user".to_owned(), "And now?".to_owned())),
        }
        ensure!(sent == texts, "{session}: sent {sent:#?}, not {texts:#?}");
    }
    Ok(())
}

#[docker_test]
async fn old_character_memory_and_model_are_in_force() -> Result<()> {
    let model = StandIn::start().await?;
    let container = container_on(SESSIONS).await?.start_ready().await?;
    for profile in ["default", "coder"] {
        let settings = hermes(&container, profile, &["model", "--json"]).await?.success();
        let settings: Value = serde_json::from_str(&settings.stdout())?;
        let value = |name: &str| settings[name]["value"].as_str().unwrap_or_default().to_owned();
        let found = [value("model"), value("provider"), value("base_url")];
        ensure!(found == ["test-model", "custom", "http://127.0.0.1:11434/v1"], "{settings}");
    }
    use_stand_in(&container, &model).await?;
    for (profile, character) in [("default", "SOUL.md"), ("coder", "profiles/coder/SOUL.md")] {
        hermes(&container, profile, &["chat", "-q", "Who am I?"]).await?.success();
        let requests = model.requests();
        let request = requests.last().context("a request")?;
        let (_, prompt) = texts_of(request)?.swap_remove(0);
        ensure!(prompt.starts_with(old_file(character)?.trim()), "{prompt}");
        let has_memory = prompt.contains(old_file("memories/USER.md")?.trim());
        ensure!(has_memory == (profile == "default"), "{profile}: {prompt}");
        ensure!(request["body"]["model"] == "test-model", "{}", request["body"]);
        ensure!(request["headers"]["authorization"] == "Bearer sk-x", "{}", request["headers"]);
    }
    Ok(())
}

#[docker_test]
#[case::with_configurations(SESSIONS, &[("default", 8642), ("coder", 9653)])]
#[case::without_configurations(PROFILES, &[("default", 8642), ("coder", 9653), ("writer", 9298)])]
async fn old_profiles_get_ports_of_their_own(
    #[case] archive: &[u8],
    #[case] expected: &[(&str, u16)],
) -> Result<()> {
    let container = container_on(archive).await?.start_ready().await?;
    let listed = gateways(&container).await?;
    let ports: Vec<_> = listed.iter().map(|one| (one.profile.as_str(), one.port.unwrap_or(0))).collect();
    ensure!(ports == expected, "{ports:?}");
    container.exec(["hermes", "gateway", "start", "--all"]).await?.success();
    for (profile, port) in expected {
        answers_at_both_doors(&container, profile, *port).await?;
    }
    // The next boot changes nothing.
    let read = "cat /opt/data/profiles/*/config.yaml";
    let before = container.exec_sh(read).await?.success().stdout();
    container.restart().await?;
    container.ready().await?;
    container.exec_sh(read).await?.success().stdout_is(before.trim_end());
    Ok(())
}
