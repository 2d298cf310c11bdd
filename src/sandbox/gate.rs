//! The gate every request to an account passes: faults strike here, and the ledger is written here.

use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::extract::Request;
use axum::extract::State;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;

use super::faults::Effect;
use super::faults::Faults;
use super::http::Answer;
use super::http::PageSize;
use super::http::ReadOnly;
use super::ledger::Call;
use super::ledger::Ledger;
use super::wire::Scissors;

#[derive(Debug, Clone)]
pub struct Gate {
    pub account: Arc<str>,
    pub faults: Arc<Faults>,
    pub ledger: Arc<Ledger>,
}

pub async fn pass(
    State(gate): State<Gate>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut call = Call {
        account: gate.account.to_string(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        status: 0,
        wrote: !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS),
    };
    if let Some(size) = gate.faults.page_size(&call.account) {
        request.extensions_mut().insert(PageSize(size));
    }
    let response = match gate.faults.strike(&call.account, &call.method, &call.path) {
        None => next.run(request).await,
        Some(Effect::Answer(answer)) => answer.into_response(),
        Some(Effect::Wait(time)) => {
            // A server goes on when its caller hangs up.
            let work = tokio::spawn(async move {
                tokio::time::sleep(time).await;
                next.run(request).await
            });
            work.await.unwrap_or_else(|_| Answer::empty(500).into_response())
        }
        Some(Effect::Twist(twist)) => {
            request.extensions_mut().insert(twist);
            next.run(request).await
        }
        Some(Effect::Garble(garble)) => garble.of(next.run(request).await).await,
        Some(Effect::AnswerAfter(answer)) => {
            next.run(request).await;
            answer.into_response()
        }
        Some(Effect::DropBefore) => {
            scissors.cut();
            Answer::empty(500).into_response()
        }
        Some(Effect::DropAfter) => {
            let unheard = next.run(request).await;
            scissors.cut();
            unheard
        }
    };
    if let Some(ReadOnly) = response.extensions().get() {
        call.wrote = false;
    }
    if !scissors.is_cut() {
        call.status = response.status().as_u16();
    }
    gate.ledger.record(call);
    response
}
