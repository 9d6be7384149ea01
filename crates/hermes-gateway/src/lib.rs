//! placeholder
use std::{collections::BTreeMap, os::fd::OwnedFd};
pub struct Options { pub home: hermes_core::Home, pub profile: hermes_core::ProfileName, pub environment: BTreeMap<String,String>, pub argv: Vec<String>, pub version: String, pub ready: Option<OwnedFd>, pub supervised: bool }
#[derive(Debug)] pub struct GatewayError;
impl std::fmt::Display for GatewayError { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("x") } }
impl std::error::Error for GatewayError {}
impl GatewayError { pub fn is_configuration(&self) -> bool { false } pub fn is_busy(&self) -> bool { false } pub fn hint(&self) -> Option<String> { None } }
pub fn run(o: Options) -> Result<(), GatewayError> { use std::io::Write; if let Some(fd) = o.ready { let _ = std::fs::File::from(fd).write_all(b"\n"); } loop { std::thread::park() } }
