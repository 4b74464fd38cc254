//! The witness over HTTP: `POST /add-checkpoint` with the same bytes in and out as over files.
//!
//! Comes in: a listener and a witness; or a witness's URL and a body. Goes out: what it answers.
//! Never: a decision of its own; a body, a header or a connection without a bound.

use std::{convert::Infallible, net::TcpListener, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Response, StatusCode, body::Incoming, header::CONTENT_TYPE, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use url::Url;

use super::{Answer, Error, State, answer::SIZE_TYPE, request::BODY_BYTES_MAX};

/// The path below a witness's submission prefix.
const PATH: &str = "/add-checkpoint";

/// How many connections are open at once; more wait.
const CONNECTIONS_MAX: usize = 256;

/// How long a connection may take for its headers, and how long it may last.
const HEADERS_WAIT: Duration = Duration::from_secs(10);
const CONNECTION_WAIT: Duration = Duration::from_mins(1);

/// How long a witness may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The clock of a server: Unix seconds.
pub type Clock = dyn Fn() -> u64 + Send + Sync;

/// Serves a witness until the process is interrupted.
pub fn serve(state: State, listener: TcpListener, clock: &Arc<Clock>) -> Result<(), Error> {
    let url = listener.local_addr().map(|at| format!("http://{at}")).unwrap_or_default();
    let fault =
        |e: std::io::Error| Error::Http { act: "serving", url: url.clone(), reason: e.to_string() };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("almoner-witness")
        .enable_all()
        .build()
        .map_err(fault)?;
    runtime.block_on(async {
        listener.set_nonblocking(true).map_err(fault)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(fault)?;
        let (state, open) = (Arc::new(state), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        loop {
            let Ok(permit) = Arc::clone(&open).acquire_owned().await else { return Ok(()) };
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be taken");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
            let (state, clock) = (Arc::clone(&state), Arc::clone(clock));
            tokio::spawn(async move {
                let service =
                    service_fn(|request| answer(Arc::clone(&state), Arc::clone(&clock), request));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADERS_WAIT)
                    .serve_connection(TokioIo::new(stream), service);
                match tokio::time::timeout(CONNECTION_WAIT, connection).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "a connection broke"),
                    Err(_) => tracing::debug!("a connection lasted too long"),
                }
                drop(permit);
            });
        }
    })
}

async fn answer(
    state: Arc<State>,
    clock: Arc<Clock>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != PATH {
        return Ok(plain(StatusCode::NOT_FOUND, "there is only /add-checkpoint here\n"));
    }
    if request.method() != Method::POST {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "a request is a POST\n"));
    }
    let body = match Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n")),
    };
    // Persisting blocks, so it is not for the threads that keep connections.
    let answered = tokio::task::spawn_blocking(move || state.answer(&body, clock())).await;
    Ok(match answered {
        Ok(Ok(answer)) => response(&answer),
        Ok(Err(error)) => {
            tracing::error!(%error, "a request could not be answered");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "the witness failed\n")
        }
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the witness failed\n"),
    })
}

fn response(answer: &Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body())));
    *response.status_mut() =
        StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = hyper::header::HeaderValue::from_static(answer.content_type());
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// What a witness said, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// 200: signature lines.
    Lines(String),
    /// 409 with a size: it last cosigned a checkpoint of that many entries.
    Stale(u64),
    /// Any other status, with the first line of what came with it.
    Refused {
        /// The status.
        status: u16,
        /// What the witness said of it.
        reason: String,
    },
}

/// Asks the witness at a submission prefix.
pub fn ask(prefix: &Url, body: String) -> Result<Reply, Error> {
    let url = format!("{}{PATH}", prefix.as_str().trim_end_matches('/'));
    let fault = |reason: String| Error::Http { act: "asking", url: url.clone(), reason };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| fault(e.to_string()))?.block_on(async {
        let failed = |error: reqwest::Error| fault(chain(&error.without_url()));
        let client = reqwest::Client::builder()
            .timeout(ANSWER_WAIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(failed)?;
        let mut response = client.post(&url).body(body).send().await.map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(fault("its answer is longer than 64 KiB".to_owned()));
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| fault("it answers no text".to_owned()))?;
        let is_size = response.headers().get(CONTENT_TYPE.as_str());
        let is_size = is_size.is_some_and(|kind| kind.as_bytes() == SIZE_TYPE.as_bytes());
        Ok(match (response.status().as_u16(), text.trim_end().parse()) {
            (200, _) => Reply::Lines(text),
            (409, Ok(size)) if is_size => Reply::Stale(size),
            (status, _) => {
                let reason = text.lines().next().unwrap_or_default();
                let clean = reason.chars().filter(|c| !c.is_control()).take(200);
                Reply::Refused { status, reason: clean.collect() }
            }
        })
    })
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
