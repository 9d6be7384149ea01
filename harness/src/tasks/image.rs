//! `cargo xtask image`: builds the binaries and the image.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};
use hermes_harness::image::{BinarySource, BuildOptions, BuiltImage, Progress, Recipe, build};

/// Build the binaries and the image
#[derive(Debug, Args)]
pub(crate) struct Image {
    /// The tag that the image gets
    #[arg(long, default_value = "hermes:dev")]
    tag: String,
    /// The compiler: this host (where its C library allows it), or a stage of the Dockerfile
    #[arg(long, value_enum, default_value_t = Source::Auto)]
    binaries: Source,
    /// The image that the Dockerfile's compiling stage starts from [default: the Dockerfile's own]
    #[arg(long, value_name = "IMAGE")]
    rust_image: Option<String>,
    /// Ask for the base image again although one is there (security updates)
    #[arg(long)]
    fresh_base: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Source {
    /// This host when it can, else a stage
    Auto,
    /// This host
    Host,
    /// A stage of the Dockerfile
    Stage,
}

impl Image {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let docker = super::connect().await?;
        let mut options = BuildOptions::new(Recipe::hermes());
        options.tag = self.tag;
        options.fresh_base = self.fresh_base;
        options.rust_image = self.rust_image;
        options.binaries = match self.binaries {
            Source::Auto => BinarySource::Auto,
            Source::Host => BinarySource::Host,
            Source::Stage => BinarySource::Stage,
        };
        let started = Instant::now();
        let image = build(&docker, &options, &Progress::new()).await?;
        print(&image);
        println!("took      {:.1} s", started.elapsed().as_secs_f64());
        Ok(ExitCode::SUCCESS)
    }
}

fn print(image: &BuiltImage) {
    println!("tag       {}", image.tag);
    println!("ID        {}", image.id);
    println!("size      {:.1} MB", image.size as f64 / 1e6);
    if let Some(base) = &image.base {
        println!("base      {base}");
    }
    println!("binaries  {}", image.binaries);
    println!("revision  {}", image.revision.as_deref().unwrap_or("unknown (not a git checkout)"));
}
