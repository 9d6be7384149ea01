//! Two hundred kills at random moments: of three gateways and of `hermes chat`, all in one container.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use hermes_harness::probe::Response;
use hermes_harness::{Container, docker_test, secs};
use serde_json::{Value, json};

use super::agent::{Agent, POLICY, said, turn};
use super::conversation::{Asked, check, last_question, stored};
use super::random::{Moments, seed};
use crate::support::driving::port;
use crate::support::gateways::{create_and_start, hermes};

/// The cuts of each gateway. s6 waits a second between two starts, so several gateways die side by side.
const GATEWAY_CUTS: usize = 24;
const CHAT_CUTS: usize = 128;

/// Sends the request of standard input to the gateway of a profile, and kills the gateway after a time. Prints the answer,
/// and waits until the next process is ready. One exec does it all, since an exec takes longer than a turn.
const KILL_GATEWAY: &str = r#"slot=/run/service/gateway-$1
    pid=$(/command/s6-svstat -o pid "$slot") && exec 3<>"/dev/tcp/127.0.0.1/$2" && cat >&3 || exit
    sleep "$3"; kill -KILL "$pid" || exit
    cat <&3 2>/dev/null
    until seen=$(/command/s6-svstat -o ready,pid "$slot") && [ "${seen% *}" = true ] && [ "${seen#* }" != "$pid" ]
    do sleep 0.02; done"#;

/// Asks with `hermes chat`, and kills it after a time.
const KILL_CHAT: &str = r#"hermes -p "$1" chat --resume "$2" -q "$3" -Q & asking=$!
    sleep "$4"; kill -KILL "$asking" 2>/dev/null; wait "$asking""#;

/// A way to ask an agent.
#[derive(Debug, Clone)]
enum Surface {
    Gateway { port: u16, key: String },
    Chat,
}

/// A session that gets one question after the other.
#[derive(Debug)]
struct Lane {
    name: &'static str,
    profile: &'static str,
    surface: Surface,
    session: String,
    cuts: usize,
}

impl Lane {
    fn question(&self, number: usize) -> String {
        format!("Question {} {number:03}?", self.name)
    }

    fn answer(&self, number: usize) -> String {
        format!("This is the answer to the question {number:03} of the lane {}.", self.name)
    }

    /// Returns the steps of the model for this lane. A question may follow others that have no answer, so the newest comes
    /// first.
    fn script(&self) -> Vec<Value> {
        let step = |number| {
            json!({"when": {"user": self.question(number)}, "text": self.answer(number),
                   "chunk_bytes": 6, "delay_ms": 5})
        };
        (0..=self.cuts).rev().map(step).collect()
    }

    /// Asks, and kills the process that runs the turn after `moment`. Returns the answer, if there was one.
    async fn cut(&self, container: &Container, question: &str, moment: Duration) -> Result<Option<String>> {
        let moment = format!("{:.4}", moment.as_secs_f64());
        match &self.surface {
            Surface::Gateway { port, key } => {
                let port = port.to_string();
                let words = ["bash", "-c", KILL_GATEWAY, "bash", self.profile, &port, &moment];
                let request = turn(key, &self.session, question).to_bytes("localhost");
                let output = container.exec(words).stdin(request).deadline(secs(60)).await?.success();
                said(Response::parse(output.stdout_bytes()).as_ref())
            }
            Surface::Chat => {
                let words = ["sh", "-c", KILL_CHAT, "sh", self.profile, &self.session, question, &moment];
                let output = container.exec(words).await?;
                let is_answered = output.exit_code() == 0;
                ensure!(is_answered || output.exit_code() == 137, "{}", output.report("an answer or a kill"));
                Ok(is_answered.then(|| output.text()))
            }
        }
    }

    /// Cuts the session at random moments, and then asks a last question without a cut. Returns the questions.
    async fn run(&self, container: &Container, seed: u64) -> Result<Vec<Asked>> {
        let mut moments = Moments::new(seed, Duration::from_millis(200));
        let mut asked = Vec::new();
        for number in 0..self.cuts {
            let (question, answer) = (self.question(number), self.answer(number));
            let said = self.cut(container, &question, moments.next()).await;
            let said = said.with_context(|| format!("{question} of {self:?}"))?;
            let is_answered = said.is_some();
            ensure!(said.is_none_or(|said| said == answer), "{question} has another answer");
            moments.learn(is_answered);
            asked.push(Asked { question, answer, is_answered });
        }
        let (question, answer) = (self.question(self.cuts), self.answer(self.cuts));
        let words = ["chat", "--resume", &self.session, "-q", &question, "-Q"];
        hermes(container, self.profile, &words).await?.success().stdout_is(&answer);
        asked.push(Asked { question, answer, is_answered: true });
        Ok(asked)
    }
}

#[docker_test]
async fn two_hundred_random_cuts_lose_no_message() -> Result<()> {
    let seed = seed();
    cut_at_random(seed).await.with_context(|| format!("to repeat it: HERMES_SEED={seed}"))
}

async fn cut_at_random(seed: u64) -> Result<()> {
    let agent = Agent::start().await?;
    let container = &agent.container;
    create_and_start(container, &["coder", "writer"]).await?;
    let mut lanes = vec![Lane {
        name: "chat",
        profile: "default",
        surface: Surface::Chat,
        session: agent.new_session().await?,
        cuts: CHAT_CUTS,
    }];
    for profile in ["default", "coder", "writer"] {
        let policy = POLICY.replace("hermes ", &format!("hermes -p {profile} "));
        container.exec_sh(&policy).await?.success();
        let key = hermes(container, profile, &["gateway", "key", "show"]).await?.success().text();
        let surface = Surface::Gateway { port: port(container, profile).await?, key: key.trim().to_owned() };
        let session = format!("{profile}-1");
        lanes.push(Lane { name: profile, profile, surface, session, cuts: GATEWAY_CUTS });
    }
    agent.model.script(&lanes.iter().flat_map(Lane::script).collect())?;

    let began = Instant::now();
    let runs = lanes.iter().zip(seed..).map(|(lane, seed)| lane.run(container, seed));
    let runs = try_join_all(runs).await?;
    let took = began.elapsed();

    let requests = agent.model.requests();
    for (lane, asked) in lanes.iter().zip(&runs) {
        let stored = stored(container, lane.profile, &lane.session).await?;
        let is_own = |request: &&Value| {
            last_question(request).is_ok_and(|last| last.starts_with(&format!("Question {} ", lane.name)))
        };
        let own: Vec<_> = requests.iter().filter(is_own).cloned().collect();
        check(asked, &stored, &own).with_context(|| format!("{lane:?}"))?;
    }
    // The moments reach both sides of the end of a turn.
    let cuts: usize = lanes.iter().map(|lane| lane.cuts).sum();
    let answered = runs.iter().flatten().filter(|asked| asked.is_answered).count() - lanes.len();
    let seen = format!("{answered} of {cuts} turns ended before their cuts, which took {took:?}");
    ensure!(cuts == 200 && (10..=150).contains(&answered), seen);
    Ok(())
}
