import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.CollectionOptions;
import de.bwaldvogel.mongo.backend.CursorRegistry;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.IndexKey;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.h2.H2Collection;
import de.bwaldvogel.mongo.backend.h2.H2Database;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.backend.memory.MemoryDatabase;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;

/** Arguments: port, and a file where the data is to outlive the process. Says "ready" when it listens. */
public final class MongoStandIn {
  /** The oldest that current drivers accept: what the stand-in reports by itself they refuse. */
  private static final class Version implements MongoVersion {
    @Override
    public List<Integer> getVersionArray() {
      return List.of(4, 4, 0);
    }

    @Override
    public int getWireVersion() {
      return 9;
    }
  }

  private static final class Memory extends MemoryBackend {
    private final WholeDocuments documents = new WholeDocuments();

    @Override
    public Document handleMessage(MongoMessage message) {
      return documents.answer(message, super::handleMessage);
    }

    @Override
    public MemoryDatabase openOrCreateDatabase(String name) {
      return new MemoryDatabase(name, getCursorRegistry()) {
        @Override
        protected Index<Integer> openOrCreateUniqueIndex(
            String collection, String index, List<IndexKey> keys, boolean sparse) {
          return KeyedIndex.of(
              super.openOrCreateUniqueIndex(collection, index, keys, sparse), keys, sparse);
        }
      };
    }
  }

  /**
   * Answers only what is in the file, writes and what reads have seen: after a SIGKILL all of it is there.
   * Commands run side by side, a commit runs alone, so that no half of a command is ever in the file.
   */
  private static final class DurableBackend extends H2Backend {
    private final ReadWriteLock lock = new ReentrantReadWriteLock(true);
    private final WholeDocuments documents = new WholeDocuments();
    private final AtomicLong handled = new AtomicLong();
    private volatile long committed;

    DurableBackend(String file) {
      super(
          new MVStore.Builder()
              .fileName(file)
              .autoCommitDisabled()
              .autoCommitBufferSize(0)
              // Every commit writes the pages it touched: small ones.
              .pageSplitSize(2048)
              .open());
      // Room of old versions is used again at once: no power cut is survived, a kill is.
      getMvStore().setRetentionTime(0);
      getMvStore().setVersionsToKeep(0);
    }

    @Override
    protected MongoDatabase openOrCreateDatabase(String name) {
      return new FileDatabase(name);
    }

    @Override
    public Document handleMessage(MongoMessage message) {
      long mine;
      boolean isStored;
      Document reply;
      lock.readLock().lock();
      try {
        reply = documents.answer(message, super::handleMessage);
      } finally {
        mine = handled.incrementAndGet();
        // No commit is under way here: what has no change to be stored is in the file.
        isStored = !getMvStore().hasUnsavedChanges();
        lock.readLock().unlock();
      }
      if (!isStored && committed < mine) {
        lock.writeLock().lock();
        try {
          if (committed < mine) {
            long all = handled.get();
            commit();
            committed = all;
          }
        } finally {
          lock.writeLock().unlock();
        }
      }
      return reply;
    }

    private final class FileDatabase extends H2Database {
      FileDatabase(String name) {
        super(name, getMvStore(), getCursorRegistry());
      }

      /** The backend finds its collections again by their prefix. */
      @Override
      protected MongoCollection<Object> openOrCreateCollection(
          String collection, CollectionOptions options) {
        String name = namespaceOf(collection);
        MVMap<Object, Document> documents =
            getMvStore().openMap("databases." + name, StoredTypes.documents());
        MVMap<String, Object> sizes = getMvStore().openMap("meta." + name);
        CursorRegistry cursors = getCursorRegistry();
        return new H2Collection(this, collection, options, documents, sizes, cursors) {
          /** One more map to be stored with every change. */
          @Override
          protected boolean tracksDataSize() {
            return false;
          }
        };
      }

      @Override
      protected Index<Object> openOrCreateUniqueIndex(
          String collection, String index, List<IndexKey> keys, boolean sparse) {
        // Opened here first, the map keeps its types; the name is what the superclass opens it by.
        getMvStore().openMap(namespaceOf(collection) + "._index_" + index, StoredTypes.positions());
        return KeyedIndex.of(
            super.openOrCreateUniqueIndex(collection, index, keys, sparse), keys, sparse);
      }

      private String namespaceOf(String collection) {
        return getDatabaseName() + "." + collection;
      }
    }
  }

  private MongoStandIn() {}

  public static void main(String[] args) {
    MongoBackend backend = args.length > 1 ? new DurableBackend(args[1]) : new Memory();
    MongoServer server = new MongoServer(backend.version(new Version()));
    server.bind("127.0.0.1", Integer.parseInt(args[0]));
    Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    System.out.println("ready");
  }
}
