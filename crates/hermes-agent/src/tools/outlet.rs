//! The way of each output to the model: bounded, and without the keys that the agent holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::ToolOutput;
use super::output::Outputs;
use crate::settings::Secret;

/// The shortest key that is looked for, in bytes. A shorter one could be a word.
const SHORTEST: usize = 8;

/// The text in the place of a key.
const REMOVED: &str = "[key]";

/// The way of an agent's outputs. Not `Debug`, because it holds secrets.
pub(crate) struct Outlet {
    secrets: Vec<Secret>,
    outputs: Outputs,
}

impl Outlet {
    /// Makes the way for an agent that holds these keys. Long outputs go to `outputs`.
    pub(crate) fn new(secrets: Vec<Secret>, outputs: Outputs) -> Self {
        Self { secrets, outputs }
    }

    /// Removes keys from an output, and cuts it. The output of a command is cut already, so it stays.
    pub(crate) fn pass(&self, output: ToolOutput) -> ToolOutput {
        let content = self.without_keys(output.content);
        let mut bounded = self.outputs.begin();
        bounded.push(content.as_bytes());
        ToolOutput { content: bounded.text(), ..output }
    }

    /// Replaces each key, also in Base64 at each place of a longer text.
    fn without_keys(&self, mut content: String) -> String {
        for secret in &self.secrets {
            content = secret.hide_in(content, SHORTEST, REMOVED);
            if secret.reveal().len() >= SHORTEST {
                content = encodings(secret.reveal())
                    .iter()
                    .fold(content, |content, encoding| encoding.hide_in(content, 0, REMOVED));
            }
        }
        content
    }
}

/// Returns the characters that each Base64 of a text with this key in it has: they depend on its place.
fn encodings(key: &str) -> [Secret; 3] {
    [0, 1, 2].map(|shift| {
        let mut bytes = zeroize::Zeroizing::new(vec![0; shift]);
        bytes.extend_from_slice(key.as_bytes());
        let text = zeroize::Zeroizing::new(STANDARD_NO_PAD.encode(bytes.as_slice()));
        // The first characters depend on the bytes before the key, and the last one on those after it.
        let begin = (shift * 8).div_ceil(6);
        let end = bytes.len() * 8 / 6;
        Secret::new(text.get(begin..end).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outlet(folder: &std::path::Path) -> Outlet {
        let secrets = vec![Secret::new("sk-canary-0123"), Secret::new("short")];
        Outlet::new(secrets, Outputs::new(folder.join("outputs")))
    }

    #[test]
    fn a_long_output_of_any_tool_goes_to_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let outlet = outlet(folder.path());
        let passed = outlet.pass(ToolOutput::failed("x\n".repeat(100_000)));
        assert!(passed.is_error && passed.content.len() < 20_000);
        assert_eq!(std::fs::read_dir(folder.path().join("outputs")).unwrap().count(), 1);
        assert_eq!(outlet.pass(ToolOutput::done("short")).content, "short");
    }

    #[test]
    fn an_output_that_is_cut_already_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut long = Outputs::new(folder.path().join("first")).begin();
        long.push("1\n".repeat(100_000).as_bytes());
        let text = long.text();
        assert!(text.contains("200000 bytes. The whole output is in"), "{text}");
        assert_eq!(outlet(folder.path()).pass(ToolOutput::done(text.clone())).content, text);
        assert!(!folder.path().join("outputs").exists());
    }

    proptest! {
        #[test]
        fn no_key_passes_plain_or_in_base64(before in ".{0,9}", after in ".{0,9}") {
            let folder = tempfile::tempdir().unwrap();
            let outlet = outlet(folder.path());
            let text = format!("{before}sk-canary-0123{after}");
            let encoded = STANDARD_NO_PAD.encode(&text);
            let passed = outlet.pass(ToolOutput::done(format!("{text} {encoded}"))).content;
            prop_assert!(!passed.contains("canary"), "{passed}");
            let [plain, in_base64] = [passed.matches(REMOVED).count(), passed.len()];
            prop_assert!(plain == 2 && in_base64 > 0, "{passed}");
        }
    }
}
