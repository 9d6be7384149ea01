//! The stand-in for a model server, as a container reaches it.

use anyhow::Result;
use hermes_harness::{Container, Network, StandIn, docker_test};
use predicates::str::contains;
use serde_json::json;

/// Sends a request to the URL in `$OPENAI_BASE_URL`. The image has no HTTP client.
const ASK: &str = r#"
    body='{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
    address=${OPENAI_BASE_URL#http://}; address=${address%/v1}
    exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
    printf 'POST /v1/chat/completions HTTP/1.1\r\nconnection: close\r\ncontent-length: %s\r\n\r\n%s' "${#body}" "$body" >&3
    cat <&3"#;

#[docker_test]
async fn a_container_reaches_the_stand_in() -> Result<()> {
    let model = StandIn::start().await?;
    model.script(&json!([{"text": "Hello from the script."}]))?;
    let mut builder = Container::builder().cmd(["sleep", "infinity"]);
    for (name, value) in model.environment() {
        builder = builder.env(name, &value);
    }
    let container = builder.start_ready().await?;
    container.exec(["bash", "-c", ASK]).await?.success().stdout_matches(contains("Hello from the script."));
    assert_eq!(model.requests()[0]["body"]["messages"][0]["content"], "hi");
    Ok(())
}

#[docker_test]
async fn a_container_on_another_network_reaches_it() -> Result<()> {
    let model = StandIn::start().await?;
    let network = Network::new().await?;
    let container = Container::builder().cmd(["sleep", "infinity"]).network(&network).start_ready().await?;
    let url = model.url_for(&container).await?;
    let asked = container.exec(["bash", "-c", ASK]).env("OPENAI_BASE_URL", &url).await?.success();
    asked.stdout_matches(contains("I am a stand-in for a model"));
    assert_eq!(model.requests().len(), 1);
    Ok(())
}
