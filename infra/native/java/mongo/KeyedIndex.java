import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.IndexKey;
import de.bwaldvogel.mongo.bson.Document;
import java.util.List;

/**
 * The unique index on one field, used as MongoDB does: also by filters that name more than the field. The
 * stand-in's own is used by those that name nothing else; any other, and so every conditional update,
 * reads the whole collection. What the index finds is matched against the whole filter afterwards.
 */
final class KeyedIndex<P> extends Index<P> {
  private final Index<P> index;
  private final String field;

  private KeyedIndex(Index<P> index, IndexKey key, boolean sparse) {
    super(index.getName(), List.of(key), sparse);
    this.index = index;
    this.field = key.getKey();
  }

  static <P> Index<P> of(Index<P> index, List<IndexKey> keys, boolean sparse) {
    return keys.size() == 1 ? new KeyedIndex<>(index, keys.get(0), sparse) : index;
  }

  @Override
  public boolean canHandle(Document filter) {
    return filter.containsKey(field) && index.canHandle(keyOf(filter));
  }

  @Override
  public Iterable<P> getPositions(Document filter) {
    return index.getPositions(keyOf(filter));
  }

  private Document keyOf(Document filter) {
    return new Document(field, filter.get(field));
  }

  @Override
  public P getPosition(Document document) {
    return index.getPosition(document);
  }

  @Override
  public void checkAdd(Document document, MongoCollection<P> collection) {
    index.checkAdd(document, collection);
  }

  @Override
  public void add(Document document, P position, MongoCollection<P> collection) {
    index.add(document, position, collection);
  }

  @Override
  public P remove(Document document) {
    return index.remove(document);
  }

  @Override
  public void checkUpdate(Document before, Document after, MongoCollection<P> collection) {
    index.checkUpdate(before, after, collection);
  }

  @Override
  public void updateInPlace(
      Document before, Document after, P position, MongoCollection<P> collection) {
    index.updateInPlace(before, after, position, collection);
  }

  @Override
  public long getCount() {
    return index.getCount();
  }

  @Override
  public boolean isEmpty() {
    return index.isEmpty();
  }

  @Override
  public long getDataSize() {
    return index.getDataSize();
  }

  @Override
  public boolean isUnique() {
    return index.isUnique();
  }

  @Override
  public void drop() {
    index.drop();
  }
}
