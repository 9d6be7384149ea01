//! A real nginx with the recipe of `docs/dashboard.md`, and its clients over TLS.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Request, Response};
use hermes_harness::suite::not_run;
use hermes_harness::{Look, secs, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The name in the recipe.
pub(super) const NAME: &str = "agents.example.org";
/// The values of the recipe that the test replaces.
const LISTEN: &str = "listen 443 ssl http2;";
const CERTIFICATE: &str = "/etc/ssl/agents.crt";
const KEY: &str = "/etc/ssl/agents.key";
const UPSTREAM: &str = "http://127.0.0.1:9119;";

/// Returns the document's only block of this language.
pub(super) fn block(language: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dashboard.md");
    let text = std::fs::read_to_string(&path)?;
    let opening = format!("```{language}\n");
    let mut blocks = text.split(&opening).skip(1).filter_map(|rest| rest.split("\n```").next());
    let block = blocks.next().with_context(|| format!("docs/dashboard.md has no {language}"))?;
    ensure!(blocks.next().is_none(), "docs/dashboard.md has more than one {language}");
    Ok(block.to_owned())
}

/// An nginx of one test. It ends with the handle.
pub(super) struct Nginx {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Nginx {
    /// Starts nginx in front of a dashboard at this port of the host.
    pub(super) async fn in_front_of(upstream: u16) -> Result<Self> {
        let nginx = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"].map(PathBuf::from);
        let nginx = nginx.into_iter().find(|path| path.exists());
        let nginx = nginx.ok_or_else(|| not_run("there is no nginx"))?;
        let folder = tempfile::tempdir()?;
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        make_certificate(&certificate, &key)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut recipe = block("nginx")?;
        for (said, instead) in [
            (LISTEN, format!("listen 127.0.0.1:{port} ssl http2;")),
            (CERTIFICATE, certificate.display().to_string()),
            (KEY, key.display().to_string()),
            (UPSTREAM, format!("http://127.0.0.1:{upstream};")),
        ] {
            ensure!(recipe.matches(said).count() == 1, "the recipe has not one {said}:\n{recipe}");
            recipe = recipe.replace(said, &instead);
        }
        let temporary = |name: &str| format!("{name}_temp_path {}/{name};\n", folder.path().display());
        let temporaries: String =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(temporary).concat();
        let whole = format!(
            "daemon off; user root; worker_processes 1; pid {0}/pid; error_log {0}/error.log info;\n\
             events {{}}\nhttp {{\naccess_log off;\n{temporaries}{recipe}\n}}\n",
            folder.path().display()
        );
        let config = folder.path().join("nginx.conf");
        std::fs::write(&config, &whole)?;
        let process = Command::new(nginx)
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut nginx = Self { process, folder, port };
        let listens = async || {
            if let Some(status) = nginx.process.try_wait()? {
                let log = std::fs::read_to_string(nginx.folder.path().join("error.log")).unwrap_or_default();
                return Ok(Look::Never(format!("it ended with {status}:\n{log}\n{whole}")));
            }
            Ok(Look::holds(TcpStream::connect(("127.0.0.1", port)).is_ok(), || "it listens not".into()))
        };
        wait_until("nginx listens", listens, secs(10)).await?;
        Ok(nginx)
    }

    /// Returns the origin of this site in a browser.
    pub(super) fn origin(&self) -> String {
        format!("https://{}", self.host())
    }

    fn host(&self) -> String {
        format!("{NAME}:{}", self.port)
    }

    /// Sends a request from this address of the loopback, and reads the whole answer.
    pub(super) async fn ask(&self, from: IpAddr, request: &Request) -> Result<Response> {
        let mut asking = self.open(from, request).await?;
        let answer = asking.all().await?;
        Response::parse(&answer).with_context(|| format!("no answer: {}", String::from_utf8_lossy(&answer)))
    }

    /// Sends a request, and leaves the answer to be read as it arrives.
    pub(super) async fn open(&self, from: IpAddr, request: &Request) -> Result<Asking> {
        let mut client = tokio::process::Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-servername",
                NAME,
                "-verify_hostname",
                NAME,
            ])
            .args(["-connect", &format!("127.0.0.1:{}", self.port), "-bind", &format!("{from}:0")])
            .arg("-CAfile")
            .arg(self.folder.path().join("cert.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("failed to start openssl")?;
        let input = client.stdin.as_mut().context("it has a standard input")?;
        input.write_all(&request.to_bytes(&self.host())).await?;
        input.flush().await?;
        Ok(Asking { client, seen: Vec::new() })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM ends the master and its workers. SIGKILL would leave the workers.
        let master = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap_or_default());
        if nix::sys::signal::kill(master, nix::sys::signal::Signal::SIGTERM).is_ok() {
            let _ = self.process.wait();
        }
    }
}

/// A connection whose answer still arrives.
pub(super) struct Asking {
    client: tokio::process::Child,
    seen: Vec<u8>,
}

impl Asking {
    /// Reads until the answer contains these words, and returns the answer so far.
    pub(super) async fn until(&mut self, words: &str) -> Result<String> {
        let reading = async {
            loop {
                let text = String::from_utf8_lossy(&self.seen).into_owned();
                if text.contains(words) {
                    return Ok(text);
                }
                let output = self.client.stdout.as_mut().context("it has an output")?;
                ensure!(output.read_buf(&mut self.seen).await? > 0, "it ended without {words:?}:\n{text}");
            }
        };
        let read = tokio::time::timeout(secs(8), reading).await;
        read.map_err(|_| {
            anyhow::anyhow!("{words:?} did not arrive; so far:\n{}", String::from_utf8_lossy(&self.seen))
        })?
    }

    async fn all(&mut self) -> Result<Vec<u8>> {
        let output = self.client.stdout.as_mut().context("it has an output")?;
        tokio::time::timeout(secs(20), output.read_to_end(&mut self.seen))
            .await
            .context("no end of it")??;
        Ok(std::mem::take(&mut self.seen))
    }
}

/// Creates a self-signed certificate for the name of the recipe.
fn make_certificate(certificate: &Path, key: &Path) -> Result<()> {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", &format!("/CN={NAME}"), "-addext", &format!("subjectAltName=DNS:{NAME}"), "-out"])
        .arg(certificate)
        .arg("-keyout")
        .arg(key)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| not_run(format!("there is no openssl: {error}")))?;
    ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}
