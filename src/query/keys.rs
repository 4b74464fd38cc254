//! The keys of encrypted segments, as the engine asks for them: by the name that a segment bears.
//!
//! Comes in: what seals the lake. Goes out: what opens a segment. Never: a segment that lies in the open in a
//! sealed lake taken for one of ours.

use std::{collections::BTreeMap, fmt, pin::Pin, sync::Arc};

use datafusion::{
    arrow::datatypes::SchemaRef,
    common::{DataFusionError, config::EncryptionFactoryOptions},
    execution::parquet_encryption::EncryptionFactory,
    parquet::{
        encryption::{
            decrypt::{FileDecryptionProperties, KeyRetriever},
            encrypt::FileEncryptionProperties,
        },
        errors::ParquetError,
    },
};

use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};

use crate::store::Seal;

/// How an encrypted segment ends.
const SEALED: &[u8] = b"PARE";

/// Opens the segments of a sealed lake.
pub(super) struct Keys {
    seal: Arc<dyn Seal>,
    objects: Arc<dyn ObjectStore>,
    /// The sizes of segments, by their paths in `objects`.
    sizes: BTreeMap<String, u64>,
}

impl Keys {
    pub(super) fn new(
        seal: Arc<dyn Seal>,
        objects: Arc<dyn ObjectStore>,
        sizes: BTreeMap<String, u64>,
    ) -> Self {
        Self { seal, objects, sizes }
    }

    async fn properties(&self, path: &Path) -> Result<Arc<FileDecryptionProperties>, ParquetError> {
        let outside = |error: crate::store::Error| ParquetError::External(Box::new(error));
        let size = self.sizes.get(path.as_ref()).copied();
        if let Some(size) = size
            && !self.seal.takes_plain().map_err(outside)?
        {
            let tail = size.saturating_sub(SEALED.len() as u64)..size;
            let end = self.objects.get_range(path, tail).await;
            let end = end.map_err(|error| ParquetError::External(Box::new(error)))?;
            if end != SEALED {
                return Err(ParquetError::General("a segment is not sealed".to_owned()));
            }
        }
        let finder = Finder { seal: Arc::clone(&self.seal), path: path.to_string() };
        FileDecryptionProperties::with_key_retriever(Arc::new(finder)).build()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Finds the key of one segment.
struct Finder {
    seal: Arc<dyn Seal>,
    path: String,
}

impl KeyRetriever for Finder {
    fn retrieve_key(&self, name: &[u8]) -> Result<Vec<u8>, ParquetError> {
        // The store waits for its own runtime, which a thread of the engine's runtime must not do.
        let key =
            std::thread::scope(|scope| scope.spawn(|| self.seal.key(&self.path, name)).join());
        match key {
            Ok(Ok(key)) => Ok(key.to_vec()),
            Ok(Err(error)) => Err(ParquetError::External(Box::new(error))),
            Err(_) => Err(ParquetError::General("a key could not be asked for".to_owned())),
        }
    }
}

type Given<'a, T> =
    Pin<Box<dyn Future<Output = Result<Option<Arc<T>>, DataFusionError>> + Send + 'a>>;

impl EncryptionFactory for Keys {
    // Written out, as `async_trait` would write it. The engine writes no file.
    fn get_file_encryption_properties<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        _config: &'life1 EncryptionFactoryOptions,
        _schema: &'life2 SchemaRef,
        _path: &'life3 Path,
    ) -> Given<'async_trait, FileEncryptionProperties>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn get_file_decryption_properties<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        _config: &'life1 EncryptionFactoryOptions,
        path: &'life2 Path,
    ) -> Given<'async_trait, FileDecryptionProperties>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move { Ok(Some(self.properties(path).await?)) })
    }
}
