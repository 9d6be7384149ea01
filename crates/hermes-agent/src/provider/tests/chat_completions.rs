//! Calls of Chat Completions.

use super::server::{Server, Step, answer, stream};
use super::*;
use crate::message::{Block, Usage};
use crate::provider::{ErrorClass, Finish};

const HELLO: &str = concat!(
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n",
    "data: [DONE]\n\n",
);

async fn ask(script: Vec<Step>) -> (Result<ModelAnswer, ProviderError>, Vec<ModelProgress>) {
    let server = Server::start(vec![script]).await;
    call(&settings(&server.url, Protocol::ChatCompletions), &question()).await
}

#[tokio::test]
async fn a_stream_becomes_text_and_figures() {
    let (result, progress) = ask(stream(HELLO)).await;
    let answer = result.unwrap();
    assert_eq!(answer.blocks, [Block::Text { text: "Héllo".to_owned() }]);
    assert_eq!(answer.finish, Finish::Complete);
    assert_eq!(answer.usage, Some(Usage { input: 7, output: 2, cached: 3, ..Usage::default() }));
    let text = |text: &str| ModelProgress::Text(text.to_owned());
    assert_eq!(progress, [ModelProgress::Accepted, text("Hé"), text("llo")]);
}
