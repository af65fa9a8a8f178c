// SPDX-License-Identifier: AGPL-3.0-or-later
//! A read-only server of the Network Block Device protocol: how QEMU reads a medium through the emulated BMC.
//!
//! QEMU speaks NBD without any extra package. Fixed newstyle handshake, simple replies, one export, reads only. A read
//! that fails is an input/output error in the guest, as it is when a BMC loses its image server.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use shoal_testbed::bmc::{MediumError, MediumReader};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const MAGIC: u64 = u64::from_be_bytes(*b"NBDMAGIC");
const OPTION_MAGIC: u64 = u64::from_be_bytes(*b"IHAVEOPT");
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;

/// Fixed newstyle, no zeroes after the export's description.
const HANDSHAKE_FLAGS: u16 = 0b11;
/// Flags are given, read-only, several connections see the same.
const EXPORT_FLAGS: u16 = 1 | 2 | 1 << 8;

const OPTION_ABORT: u32 = 2;
const OPTION_INFO: u32 = 6;
const OPTION_GO: u32 = 7;
const ACK: u32 = 1;
const INFO: u32 = 3;
const UNSUPPORTED: u32 = 1 << 31 | 1;

const READ: u16 = 0;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;

const EPERM: u32 = 1;
const EIO: u32 = 5;
const EINVAL: u32 = 22;

/// The longest option and the longest read, as QEMU keeps them.
const LONGEST_OPTION: u32 = 4096;
const LONGEST_READ: u32 = 32 << 20;

/// What is served.
pub(crate) trait Image: Send + Sync + 'static {
    /// Why a read failed.
    type Error: Display + Send;
    /// Size in bytes.
    fn size(&self) -> u64;
    /// Bytes at an offset; fewer only at the end.
    fn read_at(&self, offset: u64, length: usize) -> impl Future<Output = Result<Bytes, Self::Error>> + Send;
}

impl Image for MediumReader {
    type Error = MediumError;

    fn size(&self) -> u64 {
        MediumReader::size(self)
    }

    fn read_at(&self, offset: u64, length: usize) -> impl Future<Output = Result<Bytes, MediumError>> + Send {
        MediumReader::read_at(self, offset, length)
    }
}

/// Serves one connection until it ends.
pub(crate) async fn serve<I: Image>(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    image: Arc<I>,
) -> io::Result<()> {
    if !handshake(&mut stream, image.size()).await? {
        return Ok(());
    }
    loop {
        if stream.read_u32().await? != REQUEST_MAGIC {
            return Err(malformed("a request without its magic"));
        }
        let _flags = stream.read_u16().await?;
        let kind = stream.read_u16().await?;
        let cookie = stream.read_u64().await?;
        let offset = stream.read_u64().await?;
        let length = stream.read_u32().await?;
        let (error, bytes) = match kind {
            DISCONNECT => return Ok(()),
            FLUSH => (0, Bytes::new()),
            READ if length > LONGEST_READ || offset.saturating_add(u64::from(length)) > image.size() => {
                (EINVAL, Bytes::new())
            }
            READ => match image.read_at(offset, length as usize).await {
                Ok(bytes) if bytes.len() == length as usize => (0, bytes),
                Ok(_) => (EIO, Bytes::new()),
                Err(error) => {
                    tracing::warn!(%error, offset, length, "medium not read");
                    (EIO, Bytes::new())
                }
            },
            // The data of a write would follow: what comes next cannot be told any more.
            _ => (EPERM, Bytes::new()),
        };
        stream.write_u32(REPLY_MAGIC).await?;
        stream.write_u32(error).await?;
        stream.write_u64(cookie).await?;
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        if error == EPERM {
            return Err(malformed("a request other than to read"));
        }
    }
}

/// Agrees on the export; false when the client leaves.
async fn handshake(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), size: u64) -> io::Result<bool> {
    stream.write_u64(MAGIC).await?;
    stream.write_u64(OPTION_MAGIC).await?;
    stream.write_u16(HANDSHAKE_FLAGS).await?;
    stream.flush().await?;
    let _client_flags = stream.read_u32().await?;
    loop {
        if stream.read_u64().await? != OPTION_MAGIC {
            return Err(malformed("an option without its magic"));
        }
        let option = stream.read_u32().await?;
        let length = stream.read_u32().await?;
        if length > LONGEST_OPTION {
            return Err(malformed("an option that is too long"));
        }
        let mut data = vec![0; length as usize];
        stream.read_exact(&mut data).await?;
        match option {
            OPTION_GO | OPTION_INFO => {
                let mut export = vec![0, 0];
                export.extend(size.to_be_bytes());
                export.extend(EXPORT_FLAGS.to_be_bytes());
                option_reply(stream, option, INFO, &export).await?;
                option_reply(stream, option, ACK, &[]).await?;
                if option == OPTION_GO {
                    return Ok(true);
                }
            }
            OPTION_ABORT => {
                option_reply(stream, option, ACK, &[]).await?;
                return Ok(false);
            }
            _ => option_reply(stream, option, UNSUPPORTED, &[]).await?,
        }
    }
}

async fn option_reply(
    stream: &mut (impl AsyncWrite + Unpin),
    option: u32,
    kind: u32,
    data: &[u8],
) -> io::Result<()> {
    stream.write_u64(OPTION_REPLY_MAGIC).await?;
    stream.write_u32(option).await?;
    stream.write_u32(kind).await?;
    stream.write_u32(data.len() as u32).await?;
    stream.write_all(data).await?;
    stream.flush().await
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;

    struct Bad;

    impl Image for Bad {
        type Error = &'static str;

        fn size(&self) -> u64 {
            1 << 20
        }

        async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, &'static str> {
            // Its second half cannot be read.
            if offset >= 1 << 19 { Err("gone") } else { Ok(vec![offset as u8; length].into()) }
        }
    }

    async fn client() -> DuplexStream {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve(server, Arc::new(Bad)));
        assert_eq!(client.read_u64().await.expect("sent"), MAGIC);
        assert_eq!(client.read_u64().await.expect("sent"), OPTION_MAGIC);
        assert_eq!(client.read_u16().await.expect("sent"), HANDSHAKE_FLAGS);
        client.write_u32(3).await.expect("sent");
        client
    }

    async fn option(client: &mut DuplexStream, option: u32, data: &[u8]) -> Vec<(u32, Vec<u8>)> {
        client.write_u64(OPTION_MAGIC).await.expect("sent");
        client.write_u32(option).await.expect("sent");
        client.write_u32(data.len() as u32).await.expect("sent");
        client.write_all(data).await.expect("sent");
        let mut replies = Vec::new();
        loop {
            assert_eq!(client.read_u64().await.expect("sent"), OPTION_REPLY_MAGIC);
            assert_eq!(client.read_u32().await.expect("sent"), option);
            let kind = client.read_u32().await.expect("sent");
            let mut data = vec![0; client.read_u32().await.expect("sent") as usize];
            client.read_exact(&mut data).await.expect("sent");
            replies.push((kind, data));
            if kind != INFO {
                return replies;
            }
        }
    }

    async fn request(client: &mut DuplexStream, kind: u16, offset: u64, length: u32) -> u32 {
        client.write_u32(REQUEST_MAGIC).await.expect("sent");
        client.write_u16(0).await.expect("sent");
        client.write_u16(kind).await.expect("sent");
        client.write_u64(offset ^ 0xabcd).await.expect("sent");
        client.write_u64(offset).await.expect("sent");
        client.write_u32(length).await.expect("sent");
        assert_eq!(client.read_u32().await.expect("sent"), REPLY_MAGIC);
        let error = client.read_u32().await.expect("sent");
        assert_eq!(client.read_u64().await.expect("sent"), offset ^ 0xabcd);
        error
    }

    #[tokio::test]
    async fn an_export_is_agreed_on_and_read() {
        let mut client = client().await;
        // QEMU asks for structured replies first.
        assert_eq!(option(&mut client, 8, &[]).await, [(UNSUPPORTED, vec![])]);
        let replies = option(&mut client, OPTION_GO, &[0; 6]).await;
        assert_eq!(replies[0].1, [[0, 0].as_slice(), &(1_u64 << 20).to_be_bytes(), &[1, 3]].concat());
        assert_eq!(replies[1], (ACK, vec![]));
        assert_eq!(request(&mut client, READ, 7, 4).await, 0);
        let mut bytes = [0; 4];
        client.read_exact(&mut bytes).await.expect("sent");
        assert_eq!(bytes, [7; 4]);
    }

    #[tokio::test]
    async fn a_failed_read_is_an_error_and_the_connection_goes_on() {
        let mut client = client().await;
        option(&mut client, OPTION_GO, &[0; 6]).await;
        assert_eq!(request(&mut client, READ, 1 << 19, 512).await, EIO);
        assert_eq!(request(&mut client, READ, 1 << 20, 512).await, EINVAL);
        assert_eq!(request(&mut client, READ, u64::MAX, 512).await, EINVAL);
        assert_eq!(request(&mut client, FLUSH, 0, 0).await, 0);
        assert_eq!(request(&mut client, READ, 0, 0).await, 0);
    }

    #[tokio::test]
    async fn nothing_is_written() {
        let mut client = client().await;
        option(&mut client, OPTION_GO, &[0; 6]).await;
        assert_eq!(request(&mut client, 1, 0, 512).await, EPERM);
        assert_eq!(client.read(&mut [0]).await.expect("closed"), 0);
    }

    #[tokio::test]
    async fn a_client_may_leave_before_it_chose() {
        let mut client = client().await;
        assert_eq!(option(&mut client, OPTION_ABORT, &[]).await, [(ACK, vec![])]);
        assert_eq!(client.read(&mut [0]).await.expect("closed"), 0);
    }
}
