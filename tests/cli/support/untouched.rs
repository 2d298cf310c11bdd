//! Proof that a refused run wrote nothing anywhere.

use upa::platform::registry::{Known, Registry};
use upa::sandbox::{self, Sandbox, Service};
use upa::workspace::{Files, Origin};

use super::{Run, Space, transcript};

impl Space {
    /// Commits what is there and applies it: it must be refused, in words that are complete, and nothing may be written.
    #[track_caller]
    pub fn refused(&self) -> Run {
        self.commit("wrong");
        let before = self.objects();
        let head = self.head();
        let run = self.upa(&["apply", "--yes"]).exits(5);
        transcript::complete(&run.stderr);
        self.unmoved(&head);
        assert_eq!(self.objects(), before, "objects were made");
        run
    }

    /// No commit, no file, no journal.
    #[track_caller]
    pub fn unmoved(&self, head: &str) {
        assert_eq!(self.head(), head, "a commit was made");
        assert_eq!(self.git(&["status", "--porcelain"]), "", "files were written");
        let private = self.path(".git/upa");
        let left = std::fs::read_dir(private).into_iter().flatten().flatten();
        let journals: Vec<_> = left.filter(|file| file.path().extension().is_some()).collect();
        assert!(journals.is_empty(), "{journals:?}");
    }

    /// How many objects are in the sandbox of the usual accounts. Works with any workspace, because it does not read it.
    pub fn objects(&self) -> usize {
        self.objects_in(".upa/sandbox.redb")
    }

    /// Likewise, in that of a rehearsal.
    pub fn rehearsed(&self) -> usize {
        self.objects_in(".upa/rehearsal/sandbox.redb")
    }

    fn objects_in(&self, store: &str) -> usize {
        let store = self.path(store);
        if !store.exists() {
            return 0;
        }
        let none = Files {
            origin: Origin::WorkTree,
            entries: std::collections::BTreeMap::new(),
        };
        let (registry, _) = Registry::load(&none);
        let Some(Known::Defined(vapi)) = registry.known("vapi") else {
            panic!("vapi is built in")
        };
        let accounts = [
            ("n8n", Service::N8n(sandbox::n8n::Options::default())),
            ("vapi", Service::Rest(vapi.clone())),
        ];
        let accounts = accounts.into_iter().map(|(name, service)| sandbox::Account {
            name: name.to_owned(),
            service,
        });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let sandbox = Sandbox::start(&store, None, accounts.collect()).await.unwrap();
            let mut count = 0;
            for (url, list) in [
                (format!("{}/n8n/api/v1/workflows?limit=250", sandbox.url()), "/data"),
                (format!("{}/vapi/assistant?limit=1000", sandbox.url()), ""),
            ] {
                let request = reqwest::Client::new().get(url);
                let request = request
                    .header("X-N8N-API-KEY", sandbox.key().expose())
                    .bearer_auth(sandbox.key().expose());
                let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
                count += answer.pointer(list).unwrap().as_array().unwrap().len();
            }
            sandbox.stop().await;
            count
        })
    }
}
