//! `POST /instances/import`: many instances at once (docs/moving.md).

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, post};
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::body::RawBody;
use crate::http::extract::{Caller, Parameters};
use crate::http::line_body::{LINES, LineBody, accepts};
use crate::http::openapi::bodies::ImportLines;
use crate::http::openapi::queries::ImportQuery;
use crate::http::unrouted::no_route;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::request_id::carried;
use crate::service::lifecycle::import::Import;
use crate::service::lifecycle::import_line::{ImportAnswer, LONGEST_LINE};

const JSON: &str = "application/json";
/// Lines of one call at most: their answers wait in memory for who sends all before reading any.
const MOST_LINES: u64 = 10_000;

pub fn routes(config: &mut ServiceConfig) {
    // The literal is no id, whatever the method.
    config.service(import_instances).route("/instances/import", web::to(no_route));
}

/// Import many instances
///
/// JSON lines (`application/x-ndjson`), at most 10,000: each is what a creation takes, with an `importId` of its own, and with the
/// tokens or the key that the instance had elsewhere. No vendor is asked. Each line has an answer, in the same order: `{line,
/// importId, id, status}`, or `{line, status, code, message}` where it failed. A line whose `importId` made an instance before finds
/// it, so that an import can be repeated.
#[utoipa::path(params(ImportQuery),
    request_body(content = inline(ImportLines), content_type = "application/octet-stream", description = "JSON lines"),
    responses((status = 200, description = "An answer for each line; JSON lines, unless `Accept` asks for JSON alone",
        content((Vec<ImportAnswer> = "application/json"), (String = "application/x-ndjson")))),
    extensions(("x-failures" = json!(["bad_parameter", "unsupported_media_type"]))))]
#[post("/instances/import")]
async fn import_instances(
    caller: Caller,
    parameters: Parameters,
    request: HttpRequest,
    body: RawBody,
) -> Result<HttpResponse, ApiError> {
    let dry_run = parameters.flag("dryRun", false)?;
    let lines = LineBody::of(&request, body, caller.owner().organization, LONGEST_LINE)?;
    let import = caller.services.begin_import(&caller.actor, None, dry_run).await?;
    let (sender, answered) = unbounded_channel();
    let list = accepts(&request, JSON) && !accepts(&request, LINES);
    let answers = Answers { sender, list, said: false };
    // Whoever sends all lines before reading an answer must not be waited for, and so the reply does not drive the reading.
    actix_web::rt::spawn(carried(answer(lines, import, answers)));
    let answered = stream::unfold(answered, |mut answered| async move {
        let answer: Bytes = answered.recv().await?;
        Some((Ok::<_, ApiError>(answer), answered))
    });
    Ok(HttpResponse::Ok().content_type(if list { JSON } else { LINES }).streaming(answered))
}

/// What is said, as it is said.
struct Answers {
    sender: UnboundedSender<Bytes>,
    /// As one JSON list, instead of lines.
    list: bool,
    said: bool,
}

impl Answers {
    /// False: nobody listens.
    fn say(&mut self, answer: &ImportAnswer) -> bool {
        let before = match (self.list, self.said) {
            (false, _) => "",
            (true, false) => "[",
            (true, true) => ",",
        };
        self.said = true;
        answer.json().is_ok_and(|line| self.sender.send(Bytes::from(before.to_owned() + &line)).is_ok())
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if self.list {
            let _ = self.sender.send(Bytes::from_static(if self.said { b"]" } else { b"[]" }));
        }
    }
}

async fn answer(mut body: LineBody, mut import: Import, mut answers: Answers) {
    loop {
        let lines = match body.next().await {
            Ok(Some(lines)) => lines,
            Ok(None) => {
                say_answers(&mut import, &mut answers).await;
                return;
            }
            Err(error) => {
                if say_answers(&mut import, &mut answers).await {
                    answers.say(&ImportAnswer::failed(body.ended().saturating_add(1), None, &error));
                }
                return;
            }
        };
        for line in lines {
            if line.number > MOST_LINES {
                let message = format!("One call takes {MOST_LINES} lines: send this one and what follows in another.");
                let error = ApiError::new(Code::BodyTooLarge, message);
                if say_answers(&mut import, &mut answers).await {
                    answers.say(&ImportAnswer::failed(line.number, None, &error));
                }
                return;
            }
            if import.add_line(line) && !say_answers(&mut import, &mut answers).await {
                return;
            }
        }
    }
}

/// Whether it can go on.
async fn say_answers(import: &mut Import, answers: &mut Answers) -> bool {
    let answered = import.answer_lines().await;
    let heard = answered.answers.iter().all(|answer| answers.say(answer));
    heard && answered.over.is_none()
}
