//! The UDP sockets that connections still need though nobody listens on them or dials from them any more.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use quinn::Endpoint;
use tokio::time::timeout;

use super::peer::DONE;
use crate::net::lock;

/// How long the last words of all connections may take at the very end.
const GOODBYE: Duration = Duration::from_millis(50);

/// Sockets that are kept until their last connection is gone.
#[derive(Default)]
pub struct Endpoints(Mutex<HashMap<u64, Endpoint>>);

impl Endpoints {
    /// Keeps one, under a number of its own, as long as it has connections.
    pub async fn keep(&self, number: u64, endpoint: Endpoint) {
        lock(&self.0).insert(number, endpoint.clone());
        endpoint.wait_idle().await;
        lock(&self.0).remove(&number);
    }

    /// Ends all connections and tells their peers.
    pub async fn goodbye(&self) {
        let endpoints: Vec<Endpoint> = lock(&self.0).drain().map(|(_, one)| one).collect();
        for endpoint in &endpoints {
            endpoint.close(DONE, b"");
        }
        let all_idle = async {
            for endpoint in &endpoints {
                endpoint.wait_idle().await;
            }
        };
        // Whoever has not heard it by then notices by our silence.
        let _ = timeout(GOODBYE, all_idle).await;
    }
}
