//! The program `stand-in`: a scripted model server.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use stand_in::{Options, Script, Server};
use tokio::signal::unix::{SignalKind, signal};

/// Serve a scripted model over Chat Completions and Anthropic Messages
///
/// Without a script it holds a small conversation by rules.
///
/// Example: stand-in --listen 127.0.0.1:8080
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Listen on this address; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Answer by the steps of this file
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Serve the recorded exchanges of this directory
    #[arg(long, value_name = "DIR")]
    replay: Option<PathBuf>,
    /// Append each request to this file as a JSON line
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // The handlers come first. Process 1 of a container ignores signals that it does not handle.
    let mut terminate = signal(SignalKind::terminate()).context("failed to handle SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to handle SIGINT")?;
    let script = arguments.script.as_deref().map(Script::read).transpose()?.unwrap_or_default();
    let options = Options { script, replay: arguments.replay, log: arguments.log };
    let server = Server::bind(arguments.listen, options).await?;
    let mut output = std::io::stdout();
    // A closed output does not end the server.
    let _ = writeln!(output, "listening on http://{}/v1", server.address()).and_then(|()| output.flush());
    tokio::select! {
        () = server.run() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
