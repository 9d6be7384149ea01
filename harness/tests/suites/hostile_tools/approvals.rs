//! A tool that answers the question about itself, and commands of the operator.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::probe::Request;
use hermes_harness::{Container, Look, Terminal, docker_test, secs};
use serde_json::{Value, json};

use crate::support::driving::{hermes, ready_pid};

use super::scene::{ATTACKER, Attempt, LOOSE, PORTS, Scene, Surface, script_of};

/// The only question that waits.
async fn waiting(container: &Container) -> Result<String> {
    let asked = async |container: &Container| {
        let list = hermes(container, "-p coder approvals list --json").await?.success().stdout();
        let list: Value = serde_json::from_str(&list).unwrap_or_default();
        let id = list["waiting"][0]["id"].as_str().map(str::to_owned);
        Ok(Look::from_option(id, || list.to_string()))
    };
    Ok(container.wait_until("a question waits", asked, secs(20)).await?)
}

/// Ways to answer the question `$id`, which is in a file that the test makes.
fn attempts(chat: u32) -> Vec<Attempt> {
    let cli = "id=$(cat id); /opt/hermes/bin/hermes -p coder approvals";
    let mut attempts = vec![
        Attempt::new("list by the command", format!("{cli} list --json")),
        Attempt::new("answer by the command", format!("{cli} answer $id once")),
        Attempt::new("answer in the database", "cat ../hermes.db >/dev/null && : >>../hermes.db"),
    ];
    for terminal in ["/dev/pts/0", &format!("/proc/{chat}/fd/0")] {
        attempts.push(Attempt::new(format!("type at {terminal}"), format!("printf 'o\\r' >{terminal}")));
        let inject =
            format!("open my $t, '+<', '{terminal}' or die $!; ioctl($t, 0x5412, my $k = 'o') or die $!");
        attempts.push(Attempt::perl(format!("TIOCSTI at {terminal}"), &inject));
    }
    let inject = "ioctl(STDIN, 0x5412, my $k = 'o') or die $!";
    attempts.push(Attempt::perl("TIOCSTI at the standard input", inject));
    attempts.push(
        Attempt::new("type at the terminal", "echo o >/dev/tty").refused_with(&["No such device or address"]),
    );
    for path in ["/api/approvals/$id", "/v1/runs/run_1/approval"] {
        let post = format!(
            "id=$(cat id); exec 9<>/dev/tcp/127.0.0.1/{} && printf 'POST {path} HTTP/1.0\\r\\n\\r\\n' >&9 && grep -q 200 <&9",
            PORTS[1]
        );
        attempts.push(Attempt::new(format!("POST {path}"), post));
    }
    attempts.into_iter().map(Attempt::without_control).collect()
}

/// Begins a conversation of the attacker on a terminal, and says `attack`.
async fn converse(scene: &Scene) -> Result<Terminal> {
    let mut terminal =
        scene.container.exec(["hermes", "-p", ATTACKER]).env("TERM", "xterm").open_terminal(100, 40).await?;
    let is_prompt =
        |screen: &str| screen.trim_end().lines().last().is_some_and(|line| line.trim_end() == "›");
    terminal.wait_screen("an empty prompt", is_prompt, secs(20)).await?;
    terminal.type_line("attack").await?;
    Ok(terminal)
}

/// A command that the sandbox refuses, and a person can allow.
const REFUSED: &str = "touch /srv/made";

#[docker_test]
async fn no_tool_answers_the_question_about_it() -> Result<()> {
    let scene = Scene::start().await?;
    hermes(&scene.container, "-p coder config set approvals.timeout 60").await?.success();
    scene.container.exec(["chmod", "777", "/srv"]).as_root().await?.success();
    let folder = "/opt/data/profiles/coder/workspace";
    // It begins when the test tells it the question.
    let attack = "until [ -e id ]; do sleep 0.05; done; . ./attack >log 2>&1; mv log done; sleep 86400";
    let calls = [
        ("terminal", json!({ "command": attack, "background": true })),
        ("terminal", json!({ "command": REFUSED })),
    ];
    let before = scene.begin(&calls)?;
    let mut terminal = converse(&scene).await?;
    let id = waiting(&scene.container).await?;
    terminal.wait_for("[o]nce", secs(10)).await?;
    let processes = scene.container.processes().await?;
    let is_chat = |process: &&hermes_harness::probe::Process| process.argv == ["hermes", "-p", ATTACKER];
    let chat = processes.iter().find(is_chat).context("the conversation")?.pid;
    let attempts = attempts(chat);
    for (file, text) in [("attack", script_of(&attempts)), ("id", id.clone())] {
        scene.container.write_file(&format!("{folder}/{file}"), text).await?;
    }
    let made = async |container: &Container| {
        let log = container.exec(["cat", &format!("{folder}/done")]).await?.either_way();
        Ok(Look::from_option((log.exit_code() == 0).then(|| log.stdout()), || log.stderr()))
    };
    let log = scene.container.wait_until("the attempts are made", made, secs(30)).await?;
    super::scene::must_be_refused("the background process", &attempts, &log)?;
    ensure!(waiting(&scene.container).await? == id, "the question does not wait any more");
    ensure!(scene.results(before, 2).is_err(), "the turn goes on: {terminal:?}");
    // The person at the terminal answers.
    terminal.type_line("o").await?;
    terminal.wait_for("Done.", secs(10)).await?;
    let results = scene.results(before, 2)?;
    ensure!(results[1].contains("This ran outside of the sandbox"), "{results:?}");
    scene.container.exec(["rm", "/srv/made"]).await?.success();
    Ok(())
}

#[docker_test]
async fn without_the_key_nobody_answers_a_question() -> Result<()> {
    let scene = Scene::start().await?;
    hermes(&scene.container, "-p coder config set approvals.timeout 60").await?.success();
    hermes(&scene.container, "-p coder gateway restart").await?.success();
    scene.container.exec(["chmod", "777", "/srv"]).as_root().await?.success();
    let turn = scene.command(Surface::Gateway, ATTACKER, REFUSED);
    let attack = async {
        let id = waiting(&scene.container).await?;
        for key in [None, Some("Bearer guessed"), Some("Bearer "), Some("Basic aGVybWVzOmhlcm1lcw==")] {
            for path in [format!("/api/approvals/{id}"), "/v1/runs/run_1/approval".to_owned()] {
                let post = Request::post(&path).json(r#"{"choice": "once"}"#);
                let post = key.into_iter().fold(post, |post, key| post.header("Authorization", key));
                let answer = scene.container.http(PORTS[1], &post).await?;
                ensure!(answer.status == 401, "{path} with {key:?}: {} {}", answer.status, answer.text());
            }
            let headers: Vec<_> = key.into_iter().map(|key| ("Authorization", key)).collect();
            let socket = "/opt/data/profiles/coder/gateway.sock";
            let answer = scene.container.http_get_socket(socket, "/api/approvals", &headers).await?;
            ensure!(answer.status == 401, "the socket with {key:?}: {} {}", answer.status, answer.text());
        }
        Ok::<_, anyhow::Error>(id)
    };
    let answer = async {
        let id = attack.await?;
        ensure!(waiting(&scene.container).await? == id, "the question does not wait any more");
        let key = hermes(&scene.container, "-p coder gateway key show").await?.success().text();
        let post = Request::post(&format!("/api/approvals/{id}")).json(r#"{"choice": "once"}"#);
        let answer =
            scene.container.http(PORTS[1], &post.header("Authorization", &format!("Bearer {key}"))).await?;
        ensure!(answer.status == 200, "{}", answer.text());
        Ok(())
    };
    let (result, answered) = tokio::join!(turn, answer);
    answered?;
    let result = result?;
    ensure!(result.contains("This ran outside of the sandbox"), "{result}");
    Ok(())
}

#[docker_test]
async fn no_command_of_an_operator_works_in_a_tool() -> Result<()> {
    let scene = Scene::start().await?;
    let pid = ready_pid(&scene.container, ATTACKER).await?;
    let verbs = [
        "config set approvals.mode off",
        "-p coder config set approvals.mode off",
        "-p coder approvals list",
        "-p coder gateway key show",
        "-p writer gateway key show",
        "-p coder sessions list",
        "-p coder gateway restart",
        "-p writer gateway stop",
        "profile create evil",
        "profile delete writer --yes",
    ];
    let verbs = verbs.map(|verb| {
        let attempt = Attempt::new(format!("hermes {verb}"), format!("/opt/hermes/bin/hermes {verb}"));
        match verb.ends_with("approvals list") {
            true => attempt.refused_with(&["no tool of an agent reaches its approvals"]),
            false => attempt,
        }
    });
    let slots = ["/run/service/gateway-writer", "/run/service/gateway-coder"];
    let svc = slots.map(|slot| Attempt::new(format!("s6-svc {slot}"), format!("s6-svc -r {slot}")));
    let scan = Attempt::new("s6-svscanctl", "/command/s6-svscanctl -a /run/service");
    let attempts: Vec<_> = svc.into_iter().chain([scan]).chain(verbs).collect();
    for surface in [Surface::Chat, Surface::Gateway] {
        scene.must_fail(surface, &attempts).await?;
    }
    scene.must_fail_for(Surface::Chat, LOOSE, &attempts).await?;
    ensure!(ready_pid(&scene.container, ATTACKER).await? == pid, "the gateway is another process");
    ready_pid(&scene.container, "writer").await?;
    scene.must_succeed_outside(&attempts).await
}

#[docker_test]
async fn without_an_answer_a_call_is_denied() -> Result<()> {
    let scene = Scene::start().await?;
    for surface in [Surface::Chat, Surface::Gateway] {
        let result = scene.command(surface, ATTACKER, REFUSED).await?;
        ensure!(
            result.contains("nobody answered in time") && result.contains("Permission denied"),
            "{result}"
        );
    }
    scene.container.exec(["ls", "/srv"]).await?.success().stdout_is("");
    Ok(())
}
