import de.bwaldvogel.mongo.backend.KeyValue;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.bson.BsonDecoder;
import de.bwaldvogel.mongo.wire.bson.BsonEncoder;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.h2.mvstore.DataUtils;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.WriteBuffer;
import org.h2.mvstore.type.BasicDataType;

/**
 * How documents and keys lie in the file: as BSON. By itself the store writes them as Java serializes
 * objects, and compares two keys by doing so with both, at each step of a search.
 */
final class StoredTypes {
  private StoredTypes() {}

  /** Of a collection: documents by their positions. */
  static MVMap.Builder<Object, Document> documents() {
    return new MVMap.Builder<Object, Document>().keyType(new Values()).valueType(new Documents());
  }

  /** Of a unique index: positions by their keys. */
  static MVMap.Builder<KeyValue, Object> positions() {
    return new MVMap.Builder<KeyValue, Object>().keyType(new Keys()).valueType(new Values());
  }

  private static final class Documents extends BasicDataType<Document> {
    @Override
    public int getMemory(Document document) {
      int size = 16;
      for (Object value : document.values()) size += 24 + sizeOf(value);
      return size;
    }

    @Override
    public void write(WriteBuffer to, Document document) {
      writeBson(to, document);
    }

    @Override
    public Document read(ByteBuffer from) {
      return readBson(from);
    }

    @Override
    public Document[] createStorage(int size) {
      return new Document[size];
    }
  }

  /** Strings mostly, as ids are; anything that BSON has. */
  private static final class Values extends BasicDataType<Object> {
    @Override
    public int compare(Object left, Object right) {
      if (left instanceof String a && right instanceof String b) return a.compareTo(b);
      if (left instanceof String || right instanceof String) return left instanceof String ? -1 : 1;
      return Arrays.compareUnsigned(bytesOf(wrapped(left)), bytesOf(wrapped(right)));
    }

    @Override
    public int getMemory(Object value) {
      return sizeOf(value);
    }

    @Override
    public void write(WriteBuffer to, Object value) {
      if (value instanceof String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        to.put((byte) 1).putVarInt(bytes.length).put(bytes);
      } else {
        writeBson(to.put((byte) 0), wrapped(value));
      }
    }

    @Override
    public Object read(ByteBuffer from) {
      if (from.get() == 0) return readBson(from).get("v");
      byte[] bytes = new byte[DataUtils.readVarInt(from)];
      from.get(bytes);
      return new String(bytes, StandardCharsets.UTF_8);
    }

    @Override
    public Object[] createStorage(int size) {
      return new Object[size];
    }

    private static Document wrapped(Object value) {
      return new Document("v", value);
    }
  }

  private static final class Keys extends BasicDataType<KeyValue> {
    private final Values values = new Values();

    @Override
    public int compare(KeyValue left, KeyValue right) {
      int order = Integer.compare(left.size(), right.size());
      for (int i = 0; order == 0 && i < left.size(); i += 1) {
        order = values.compare(left.get(i), right.get(i));
      }
      return order;
    }

    @Override
    public int getMemory(KeyValue key) {
      int size = 16;
      for (Object value : key) size += sizeOf(value);
      return size;
    }

    @Override
    public void write(WriteBuffer to, KeyValue key) {
      to.putVarInt(key.size());
      for (Object value : key) values.write(to, value);
    }

    @Override
    public KeyValue read(ByteBuffer from) {
      int size = DataUtils.readVarInt(from);
      List<Object> read = new ArrayList<>(size);
      for (int i = 0; i < size; i += 1) read.add(values.read(from));
      return new KeyValue(read);
    }

    @Override
    public KeyValue[] createStorage(int size) {
      return new KeyValue[size];
    }
  }

  /** In octets, about: what is deeper in a document is not looked at. */
  private static int sizeOf(Object value) {
    if (value instanceof String text) return 24 + text.length();
    if (value instanceof byte[] bytes) return 16 + bytes.length;
    return value instanceof Map<?, ?> fields ? 64 + 256 * fields.size() : 16;
  }

  private static ByteBuf bson(Document document) {
    ByteBuf bytes = Unpooled.buffer(4096);
    BsonEncoder.encodeDocument(document, bytes);
    return bytes;
  }

  private static byte[] bytesOf(Document document) {
    ByteBuf bytes = bson(document);
    return Arrays.copyOf(bytes.array(), bytes.readableBytes());
  }

  private static void writeBson(WriteBuffer to, Document document) {
    ByteBuf bytes = bson(document);
    to.putVarInt(bytes.readableBytes()).put(bytes.nioBuffer());
  }

  private static Document readBson(ByteBuffer from) {
    int size = DataUtils.readVarInt(from);
    ByteBuffer bytes = from.slice(from.position(), size);
    from.position(from.position() + size);
    return BsonDecoder.decodeBson(Unpooled.wrappedBuffer(bytes));
  }
}
