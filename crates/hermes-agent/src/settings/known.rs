//! The table of known providers.

use super::server::Protocol;

/// A provider with known addresses and variables.
#[derive(Debug)]
pub struct KnownProvider {
    /// The name, as `model.provider` has it.
    pub name: &'static str,
    /// Further names of it.
    pub aliases: &'static [&'static str],
    /// The variables of the key. The first one that is set counts.
    pub keys: &'static [&'static str],
    /// The variables of the base URL.
    pub base_urls: &'static [&'static str],
    /// The base URL.
    pub base_url: &'static str,
    /// The protocol of that address.
    pub protocol: Protocol,
    /// The beginnings of the names of its models. `auto` prefers it for them.
    pub models: &'static [&'static str],
}

impl KnownProvider {
    /// Returns `true` if it runs on a machine of the user and needs no key.
    pub fn is_local(&self) -> bool {
        self.base_url.starts_with("http:")
    }

    fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

/// Returns the provider of this name or alias.
pub fn known_provider(name: &str) -> Option<&'static KnownProvider> {
    let name = name.trim().to_ascii_lowercase();
    KNOWN_PROVIDERS.iter().find(|provider| provider.answers_to(&name))
}

/// Makes a row of the table.
macro_rules! provider {
    ($name:literal $aliases:tt, $keys:tt, $bases:tt, $url:literal, $protocol:ident, $models:tt) => {
        KnownProvider {
            name: $name,
            aliases: &$aliases,
            keys: &$keys,
            base_urls: &$bases,
            base_url: $url,
            protocol: Protocol::$protocol,
            models: &$models,
        }
    };
}

/// The known providers. `auto` asks in this order.
pub const KNOWN_PROVIDERS: &[KnownProvider] = &[
    provider!("openrouter" [], ["OPENROUTER_API_KEY"], ["OPENROUTER_BASE_URL"], "https://openrouter.ai/api/v1", ChatCompletions, []),
    provider!("openai" ["openai-api", "openai_api"], ["OPENAI_API_KEY"], ["OPENAI_BASE_URL"], "https://api.openai.com/v1", ChatCompletions,
        ["gpt-", "o1", "o3", "o4", "chatgpt-", "openai/"]),
    provider!(
        "anthropic"["claude"],
        ["ANTHROPIC_API_KEY"],
        ["ANTHROPIC_BASE_URL"],
        "https://api.anthropic.com",
        Anthropic,
        ["claude-", "anthropic/"]
    ),
    provider!("gemini" ["google", "google-gemini"], ["GEMINI_API_KEY", "GOOGLE_API_KEY"], ["GEMINI_BASE_URL", "GOOGLE_BASE_URL"],
        "https://generativelanguage.googleapis.com/v1beta/openai", ChatCompletions, ["gemini-", "google/"]),
    provider!("deepseek" [], ["DEEPSEEK_API_KEY"], ["DEEPSEEK_BASE_URL"], "https://api.deepseek.com/v1", ChatCompletions,
        ["deepseek-", "deepseek/"]),
    provider!("xai" ["grok", "x-ai"], ["XAI_API_KEY"], ["XAI_BASE_URL"], "https://api.x.ai/v1", ChatCompletions, ["grok-", "x-ai/"]),
    provider!("zai" ["glm", "z-ai", "zhipu"], ["GLM_API_KEY", "ZAI_API_KEY"], ["GLM_BASE_URL", "ZAI_BASE_URL"],
        "https://api.z.ai/api/paas/v4", ChatCompletions, ["glm-", "z-ai/"]),
    provider!("kimi" ["kimi-coding", "moonshot", "moonshotai"], ["KIMI_API_KEY", "MOONSHOT_API_KEY"],
        ["KIMI_BASE_URL", "MOONSHOT_BASE_URL"], "https://api.moonshot.ai/v1", ChatCompletions, ["kimi-", "moonshotai/"]),
    provider!("minimax" [], ["MINIMAX_API_KEY"], ["MINIMAX_BASE_URL"], "https://api.minimax.io/v1", ChatCompletions,
        ["minimax-", "minimax/"]),
    provider!(
        "nvidia"["nim"],
        ["NVIDIA_API_KEY"],
        ["NVIDIA_BASE_URL"],
        "https://integrate.api.nvidia.com/v1",
        ChatCompletions,
        ["nvidia/"]
    ),
    provider!(
        "mistral"["mistralai"],
        ["MISTRAL_API_KEY"],
        ["MISTRAL_BASE_URL"],
        "https://api.mistral.ai/v1",
        ChatCompletions,
        ["mistral-", "codestral-", "magistral-", "mistralai/"]
    ),
    provider!("groq" [], ["GROQ_API_KEY"], ["GROQ_BASE_URL"], "https://api.groq.com/openai/v1", ChatCompletions, []),
    provider!("cerebras" [], ["CEREBRAS_API_KEY"], ["CEREBRAS_BASE_URL"], "https://api.cerebras.ai/v1", ChatCompletions, []),
    provider!("ollama-cloud" [], ["OLLAMA_API_KEY"], ["OLLAMA_CLOUD_BASE_URL"], "https://ollama.com/v1", ChatCompletions, []),
    provider!("ollama" [], ["OLLAMA_API_KEY"], ["OLLAMA_BASE_URL"], "http://127.0.0.1:11434/v1", ChatCompletions, []),
    provider!(
        "lmstudio"["lm-studio"],
        ["LMSTUDIO_API_KEY", "LM_API_KEY"],
        ["LMSTUDIO_BASE_URL", "LM_BASE_URL"],
        "http://127.0.0.1:1234/v1",
        ChatCompletions,
        []
    ),
    provider!("vllm" [], ["VLLM_API_KEY"], ["VLLM_BASE_URL"], "http://127.0.0.1:8000/v1", ChatCompletions, []),
    provider!("llamacpp" ["llama.cpp", "llama-cpp"], ["LLAMACPP_API_KEY"], ["LLAMACPP_BASE_URL"], "http://127.0.0.1:8080/v1",
        ChatCompletions, []),
];
