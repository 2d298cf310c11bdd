//! `/_sandbox/...`: reading and clearing the ledger, switching faults on and off.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::get;
use serde_json::json;

use super::faults::Fault;
use super::faults::Faults;
use super::http::Answer;
use super::ledger::Ledger;

#[derive(Clone)]
struct Switches {
    ledger: Arc<Ledger>,
    faults: Arc<Faults>,
}

pub fn router(ledger: Arc<Ledger>, faults: Arc<Faults>) -> Router {
    Router::new()
        .route("/_sandbox/calls", get(calls).delete(forget_calls))
        .route("/_sandbox/faults", get(faults_on).post(add_fault).delete(clear_faults))
        .fallback(nobody)
        .with_state(Switches { ledger, faults })
}

async fn calls(State(switches): State<Switches>) -> Answer {
    Answer::json(200, &json!({"calls": switches.ledger.calls()}))
}

async fn forget_calls(State(switches): State<Switches>) -> Answer {
    switches.ledger.clear();
    Answer::empty(204)
}

async fn faults_on(State(switches): State<Switches>) -> Answer {
    Answer::json(200, &json!({"faults": switches.faults.all()}))
}

async fn add_fault(State(switches): State<Switches>, body: Bytes) -> Answer {
    match serde_json::from_slice::<Fault>(&body) {
        Ok(fault) => {
            switches.faults.add(fault);
            Answer::empty(204)
        }
        Err(error) => Answer::json(400, &json!({"message": format!("not a fault: {error}")})),
    }
}

async fn clear_faults(State(switches): State<Switches>) -> Answer {
    switches.faults.clear();
    Answer::empty(204)
}

async fn nobody() -> Answer {
    Answer::json(404, &json!({"message": "the sandbox has no such account"}))
}
