//! `almoner ledger witness`: be a witness of other people's logs, over files or over HTTP.
//!
//! Comes in: a folder, requests. Goes out: answers, byte for byte those of C2SP tlog-witness.
//! Never: a site; a witness is somebody else than the log's operator.

use std::{
    io::Read as _,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Subcommand;

use crate::{
    cli::{Context, Failure, Kind, Table, instant},
    signed_note::Verifier,
    witness::{Answer, State, http},
};

/// Be a witness of other people's logs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A witness remembers the newest checkpoint of each log it watches and cosigns only what continues it, so \
that a log's operator cannot show two histories. Requests and answers are those of C2SP tlog-witness; \
they may travel as files, by mail or on a stick.

Keep the folder on one machine: two copies of it are two witnesses with one key.

Exit codes of `answer`: 0 cosigned (200), 3 the request cannot be read (400), 5 asked from another size \
than the witness last cosigned (409, the size on stdout), 7 the log forked or its proof does not hold \
(409, 422), 8 an unknown log, or not signed by it (404, 403).

Examples:
  almoner ledger witness init w --name hospital.example/w1 --log 'commons.example/ledger+d2770b31+AQOh…'
  almoner ledger witness answer w < request > response
  almoner ledger witness serve w --listen 127.0.0.1:8470
  almoner ledger witness show w")]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a witness in a folder, or add logs to those it watches
    Init {
        /// The folder
        state: PathBuf,
        /// The witness's name in the world, as a URL without its scheme
        #[arg(long)]
        name: String,
        /// The key of a log to watch; may be given again, also for a log's next key
        #[arg(long, value_name = "VKEY")]
        log: Vec<String>,
        /// The file of the witness's own key [default: witness.seed in the folder]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Answer one request
    Answer {
        /// The folder
        state: PathBuf,
        /// The request [default: stdin]
        #[arg(long, value_name = "FILE")]
        request: Option<PathBuf>,
        /// The file of the witness's own key [default: witness.seed in the folder]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Answer requests over HTTP, POST /add-checkpoint, until interrupted
    Serve {
        /// The folder
        state: PathBuf,
        /// The address; put a proxy with TLS before it
        #[arg(long, default_value = "127.0.0.1:8470")]
        listen: String,
        /// The file of the witness's own key [default: witness.seed in the folder]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Show the witness's key and what it has cosigned
    Show {
        /// The folder
        state: PathBuf,
        /// The file of the witness's own key [default: witness.seed in the folder]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

/// Runs the command.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Init { state, name, log, key } => {
            let logs = log.iter().map(|vkey| Verifier::parse(vkey));
            let logs =
                logs.collect::<Result<Vec<_>, _>>().map_err(|e| Failure::new(Kind::Usage, e))?;
            show(&State::init(state, key.as_deref(), name, &logs)?, context)
        }
        Act::Show { state, key } => show(&State::open(state, key.as_deref())?, context),
        Act::Answer { state, request, key } => {
            answer(state, request.as_deref(), key.as_deref(), context)
        }
        Act::Serve { state, listen, key } => serve(state, listen, key.as_deref(), context),
    }
}

fn show(state: &State, context: &mut Context<'_>) -> Result<(), Failure> {
    let seen = state.seen()?;
    let witness = state.verifier().vkey();
    let mut table = Table::new(["log", "keys", "cosigned up to", "root"]);
    for log in &seen {
        table.row([
            log.origin.clone(),
            log.keys.len().to_string(),
            log.size.map(|size| size.to_string()).unwrap_or_default(),
            log.root.map(|root| root.to_string()).unwrap_or_default(),
        ]);
    }
    let json = serde_json::json!({ "witness": witness, "logs": seen });
    table.write(context.global.format, &json, context.out)?;
    Ok(writeln!(context.err, "witness {witness}")?)
}

fn answer(
    state: &Path,
    request: Option<&Path>,
    key: Option<&Path>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut body = Vec::new();
    if let Some(file) = request {
        body = std::fs::read(file)
            .map_err(|e| Failure::new(Kind::Usage, format!("{}: {e}", file.display())))?;
    } else {
        std::io::stdin().lock().read_to_end(&mut body)?;
    }
    let answer = State::open(state, key)?.answer(&body, unix(context)?)?;
    write!(context.out, "{}", answer.body())?;
    let kind = match &answer {
        Answer::Cosigned(_) => return Ok(()),
        Answer::Malformed(_) => Kind::Invalid,
        Answer::Unsigned | Answer::Unknown => Kind::Refused,
        Answer::Stale(_) => Kind::Conflict,
        Answer::Forked | Answer::Inconsistent => Kind::Integrity,
    };
    Err(Failure::new(kind, format!("{}: {answer}", answer.status())))
}

fn serve(
    state: &Path,
    listen: &str,
    key: Option<&Path>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let state = State::open(state, key)?;
    unix(context)?;
    let listener = TcpListener::bind(listen)
        .map_err(|e| Failure::new(Kind::Unavailable, format!("`{listen}`: {e}")))?;
    writeln!(context.out, "http://{}", listener.local_addr()?)?;
    context.out.flush()?;
    let global = context.global.clone();
    // The clock was read once above; that it can be read again is the machine's affair.
    let clock: Arc<http::Clock> =
        Arc::new(move || instant(&global).map_or(0, |now| u64::try_from(now.unix()).unwrap_or(0)));
    Ok(http::serve(state, listener, &clock)?)
}

fn unix(context: &Context<'_>) -> Result<u64, Failure> {
    let now = instant(&context.global)?.unix();
    u64::try_from(now).map_err(|_| Failure::new(Kind::Usage, "a witness signs no time before 1970"))
}
