//! Names of hosts, and the addresses that may be dialled for them.

use super::grant::check;
use crate::config;
use crate::store::setup::HttpGrant;
use anyhow::Context;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::SocketAddr;
use std::sync::Arc;

/// As this machine resolves names, unless the settings say how.
pub(super) fn resolver(settings: &config::Egress) -> anyhow::Result<TokioResolver> {
    let builder = match settings.nameservers.as_slice() {
        [] => TokioResolver::builder_tokio()
            .context("how this machine resolves names cannot be read; set egress.nameservers")?,
        servers => {
            let config = ResolverConfig::from_name_servers(
                servers.iter().map(|server| name_server(*server)).collect(),
            );
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    Ok(builder.build()?)
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = server.port();
    }
    NameServerConfig::new(server.ip(), true, connections)
}

/// Resolves the names of one endpoint's hosts, and drops the addresses that it may not reach.
pub(super) struct Names {
    pub(super) resolver: TokioResolver,
    pub(super) grants: Arc<[HttpGrant]>,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, grants) = (self.resolver.clone(), self.grants.clone());
        Box::pin(async move {
            let host = name.as_str();
            // A name with a dot is whole: no search list is tried on it.
            let whole = if host.contains('.') { format!("{host}.") } else { host.to_owned() };
            let found = resolver.lookup_ip(whole).await?;
            let mut denied = None;
            let mut addresses = Vec::new();
            for address in found.iter() {
                match check(&grants, host, address) {
                    Ok(()) => addresses.push(SocketAddr::new(address, 0)),
                    Err(why) => denied = Some(why),
                }
            }
            match denied {
                Some(denied) if addresses.is_empty() => Err(denied.into()),
                _ => Ok(Box::new(addresses.into_iter()) as Addrs),
            }
        })
    }
}
