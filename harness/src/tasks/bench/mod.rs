//! `cargo xtask bench`: what the image costs, one file for each figure.
//!
//! Machines are shared and noisy. So a figure of a container is measured together with a reference,
//! the two in turn (A B A B …), and judged by medians: the reference is the same image with its init
//! bypassed, which is what the engine itself costs. A benchmark reports; it never fails a build.

mod agent_idle;
mod chat;
mod chunk;
mod cli;
mod client;
mod cycle;
mod dashboard;
mod exec;
mod first_token;
mod gateway;
mod image;
mod memory;
mod pairs;
mod profiles;
mod reconcile;
mod restart;
mod served;
mod sessions;
mod stop;
mod streams;
mod suites;
mod table;
mod text;
mod to_command;
mod tool;
mod tui;
mod warm_boot;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use clap::{Args, ValueEnum};
use hermes_harness::image::Progress;

use table::{Report, Row};

/// Measure what the image costs, against the same image with its init bypassed
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The figures to measure [default: all]
    #[arg(value_enum)]
    names: Vec<Name>,
    /// The image to measure, by name or ID [default: $HERMES_TEST_IMAGE, else one is built]
    #[arg(long)]
    image: Option<String>,
    /// How often each pair is measured, at least 7
    #[arg(long, value_name = "N", default_value_t = 11)]
    pairs: usize,
    /// Write the figures as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// A container's whole life around `true`
    Cycle,
    /// From the container's start to the command's first instruction
    ToCommand,
    /// The same on a volume with 1,000 profiles and 100,000 files
    WarmBoot,
    /// `docker stop` of an idle container with three gateways
    Stop,
    /// `docker restart` until ten gateways are ready again
    Restart,
    /// Boot reconciliation: what each profile costs
    Reconcile,
    /// A profile made, its gateway started, and the memory that it needs
    Gateway,
    /// The dashboard: its start, its memory, its overview of 1,000 profiles
    Dashboard,
    /// A command in a running container
    Exec,
    /// `hermes --version`: time, and peak memory
    Cli,
    /// The time to the first token of an answer, against the model server asked directly
    FirstToken,
    /// The delay of a chunk of a stream, against the same
    Chunk,
    /// 200 streams at one time: all complete, and the peak of the memory
    Streams,
    /// The memory of a gateway after one request, and of the tenth such gateway
    AgentIdle,
    /// `hermes chat -q x` against a server that answers at once
    Chat,
    /// Full text search in a million messages; opening the last session
    Sessions,
    /// A sandboxed program, against a plain one
    Tool,
    /// The full screen: its first frame, and a frame of 10,000 messages
    Tui,
    /// All suites
    Suites,
    /// The image: its size, and how long it takes to build again
    Image,
}

/// The parts that every figure needs.
struct Bed {
    docker: Docker,
    image: String,
    pairs: usize,
    progress: Progress,
}

impl Bench {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        if self.pairs < 7 {
            bail!("a median needs at least 7 pairs, not {}", self.pairs);
        }
        let docker = super::connect().await?;
        let image = super::image_under_test(&docker, self.image.as_deref()).await?;
        let bed = Bed { docker, image, pairs: self.pairs, progress: Progress::new() };
        let names = if self.names.is_empty() { Name::value_variants() } else { &self.names };
        let mut report = Report::about(&bed.docker, &bed.image).await?;
        let mut failed = false;
        for name in names {
            match name.measure(&bed).await {
                Ok(rows) => report.rows.extend(rows),
                // The other figures are worth knowing nevertheless.
                Err(error) => {
                    bed.progress.line(format!("error: {error:#}"));
                    failed = true;
                }
            }
        }
        drop(bed.progress);
        println!("{report}");
        if let Some(file) = &self.json {
            let json = serde_json::to_string_pretty(&report).context("failed to write JSON")?;
            std::fs::write(file, json).with_context(|| format!("failed to write {}", file.display()))?;
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

impl Name {
    async fn measure(self, bed: &Bed) -> Result<Vec<Row>> {
        let name = self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let _step = bed.progress.step(format!("measure {name}"));
        match self {
            Self::Cycle => cycle::measure(bed).await,
            Self::ToCommand => to_command::measure(bed).await,
            Self::WarmBoot => warm_boot::measure(bed).await,
            Self::Restart => restart::measure(bed).await,
            Self::Reconcile => reconcile::measure(bed).await,
            Self::Gateway => gateway::measure(bed).await,
            Self::Dashboard => dashboard::measure(bed).await,
            Self::Stop => stop::measure(bed).await,
            Self::Exec => exec::measure(bed).await,
            Self::Cli => cli::measure(bed).await,
            Self::FirstToken => first_token::measure(bed).await,
            Self::Chunk => chunk::measure(bed).await,
            Self::Streams => streams::measure(bed).await,
            Self::AgentIdle => agent_idle::measure(bed).await,
            Self::Chat => chat::measure(bed).await,
            Self::Sessions => sessions::measure(bed).await,
            Self::Tool => tool::measure(bed).await,
            Self::Tui => tui::measure(bed).await,
            Self::Suites => suites::measure(bed).await,
            Self::Image => image::measure(bed).await,
        }
        .with_context(|| format!("failed to measure {name}"))
    }
}
