//! Community ID, version 1: the same name for a connection in every tool that sees it.

use std::net::IpAddr;

use sha1::{Digest, Sha1};

use crate::flow::key::{FlowKey, Transport};

/// `1:` and 28 characters of base 64.
pub type CommunityId = [u8; 30];

/// The name of a connection.
///
/// The smaller endpoint comes first, so that both directions agree. The seed is 0, the default everywhere.
pub fn community_id(key: &FlowKey) -> CommunityId {
    let (orig, resp) = ((key.orig_h, key.orig_p), (key.resp_h, key.resp_p));
    let (first, second) = if orig <= resp { (orig, resp) } else { (resp, orig) };
    let protocol = match key.transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    };
    let (mut hashed, mut length) = ([0; 40], 2);
    let mut put = |bytes: &[u8]| {
        hashed[length..length + bytes.len()].copy_from_slice(bytes);
        length += bytes.len();
    };
    for (addr, _) in [first, second] {
        match addr {
            IpAddr::V4(v4) => put(&v4.octets()),
            IpAddr::V6(v6) => put(&v6.octets()),
        }
    }
    put(&[protocol, 0]);
    put(&first.1.to_be_bytes());
    put(&second.1.to_be_bytes());
    let mut id = [0; 30];
    id[..2].copy_from_slice(b"1:");
    data_encoding::BASE64.encode_mut(&Sha1::digest(&hashed[..length]), &mut id[2..]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_specification() {
        let cases = [
            ("1.2.3.4", 1122, "5.6.7.8", 3344, Transport::Tcp, "1:wCb3OG7yAFWelaUydu0D+125CLM="),
            ("1.2.3.4", 1122, "5.6.7.8", 3344, Transport::Udp, "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="),
            ("128.232.110.120", 34855, "66.35.250.204", 80, Transport::Tcp, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            ("192.168.1.52", 54585, "8.8.8.8", 53, Transport::Udp, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (
                "2001:470:e5bf:dead:4957:2174:e82c:4887",
                63943,
                "2607:f8b0:400c:c03::1a",
                25,
                Transport::Tcp,
                "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
            ),
        ];
        for (orig_h, orig_p, resp_h, resp_p, transport, expected) in cases {
            let (orig_h, resp_h) = (orig_h.parse().unwrap(), resp_h.parse().unwrap());
            let key = FlowKey { orig_h, resp_h, orig_p, resp_p, transport };
            for key in [key, key.reverse()] {
                assert_eq!(community_id(&key), expected.as_bytes(), "{key:?}");
            }
        }
    }
}
