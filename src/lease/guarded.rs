//! The outside, as a run has it that holds the lease: no call that could change anything leaves once it is gone.
//!
//! The run asks before every step, too; but a step has several calls, and a process may be stopped between any two of them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Method, Request, Response};

use super::Permit;
use crate::outside::{Beside, Checkout, Deed, Outside, Said, Silence};

/// See the module.
#[derive(Debug)]
pub struct Guarded {
    outside: Arc<dyn Outside>,
    permit: Arc<Permit>,
}

impl Guarded {
    pub fn new(outside: Arc<dyn Outside>, permit: Arc<Permit>) -> Self {
        Self { outside, permit }
    }
}

#[async_trait]
impl Outside for Guarded {
    fn now(&self) -> Timestamp {
        self.outside.now()
    }

    fn random(&self) -> u128 {
        self.outside.random()
    }

    async fn exchange(&self, request: Request) -> Result<Response, Silence> {
        let asks = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if !asks && !self.permit.granted().await {
            let why = "another run may be at work by now, so it was not sent";
            return Err(Silence::Unsendable(why.to_owned()));
        }
        self.outside.exchange(request).await
    }

    fn git(&self, clone: Checkout<'_>, args: &[&str], deadline: Duration) -> io::Result<Said> {
        self.outside.git(clone, args, deadline)
    }

    fn about_to(&self, deed: Deed<'_>) -> io::Result<()> {
        self.outside.about_to(deed)
    }

    fn whereabouts(&self, folder: &Path, file: &File) -> io::Result<String> {
        self.outside.whereabouts(folder, file)
    }

    fn pause(&self, time: Duration) {
        self.outside.pause(time);
    }

    fn beside(&self, work: Box<dyn FnMut() -> Option<Duration> + Send>) -> Box<dyn Beside> {
        self.outside.beside(work)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::outside;

    /// Nobody listens there: what is sent is told as not connected, and what is not sent as unsendable.
    async fn exchanged(guarded: &Guarded, method: Method) -> Silence {
        let request = Request::new(method, "http://127.0.0.1:1/".parse().unwrap());
        guarded.exchange(request).await.unwrap_err()
    }

    #[tokio::test]
    async fn without_the_lease_only_questions_leave() {
        let permit = Arc::new(Permit::until(
            outside::now() + SignedDuration::from_mins(20),
            SignedDuration::from_mins(10),
        ));
        let guarded = Guarded::new(outside::real(), permit.clone());
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for method in writes.clone() {
            assert!(matches!(exchanged(&guarded, method).await, Silence::NotConnected(_)));
        }
        permit.lose();
        for method in writes {
            assert!(matches!(exchanged(&guarded, method).await, Silence::Unsendable(_)));
        }
        assert!(matches!(
            exchanged(&guarded, Method::GET).await,
            Silence::NotConnected(_)
        ));
    }
}
