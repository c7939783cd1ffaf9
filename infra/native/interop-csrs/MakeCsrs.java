import java.io.FileWriter;
import java.io.Writer;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Security;
import java.security.spec.ECGenParameterSpec;
import org.bouncycastle.asn1.DERPrintableString;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.ExtensionsGenerator;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequestBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;

/** Makes CSRs with Bouncy Castle: usage: MakeCsrs DIR. */
public class MakeCsrs {
  private static Path dir;

  public static void main(String[] arguments) throws Exception {
    Security.addProvider(new BouncyCastleProvider());
    dir = Path.of(arguments[0]);
    both("p256", ec("secp256r1"), "SHA256withECDSA");
    both("p384", ec("secp384r1"), "SHA384withECDSA");
    both("p521", ec("secp521r1"), "SHA512withECDSA");
    both("ed25519", KeyPairGenerator.getInstance("Ed25519", "BC").generateKeyPair(), "Ed25519");
    for (String set : new String[] {"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}) {
      both(set.toLowerCase(), KeyPairGenerator.getInstance(set, "BC").generateKeyPair(), set);
    }
    KeyPair rsa2048 = rsa(2048);
    both("rsa2048", rsa2048, "SHA256withRSA");
    both("rsa3072", rsa(3072), "SHA256withRSA");
    both("rsa4096", rsa(4096), "SHA512withRSA");
    write("rsa2048-sha1", rsa2048, "SHA1withRSA", false);
    write("rsa2048-md5", rsa2048, "MD5withRSA", false);
    write("p256-sha1", ec("secp256r1"), "SHA1withECDSA", false);
  }

  private static void both(String name, KeyPair key, String algorithm) throws Exception {
    write(name, key, algorithm, false);
    write(name + "-ext", key, algorithm, true);
  }

  private static void write(String name, KeyPair key, String algorithm, boolean withExtensions)
      throws Exception {
    X500Name subject = new X500Name("O=Example,CN=bouncycastle-" + name);
    PKCS10CertificationRequestBuilder builder =
        new JcaPKCS10CertificationRequestBuilder(subject, key.getPublic());
    if (withExtensions) {
      ExtensionsGenerator extensions = new ExtensionsGenerator();
      extensions.addExtension(
          Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature));
      GeneralName name1 = new GeneralName(GeneralName.dNSName, "device.example");
      extensions.addExtension(Extension.subjectAlternativeName, false, new GeneralNames(name1));
      // The order of attributes is what the caller adds, before the builder sorts the SET.
      builder.addAttribute(
          PKCSObjectIdentifiers.pkcs_9_at_extensionRequest, extensions.generate());
      builder.addAttribute(
          PKCSObjectIdentifiers.pkcs_9_at_challengePassword, new DERPrintableString("not-used"));
    }
    var signer = new JcaContentSignerBuilder(algorithm).setProvider("BC").build(key.getPrivate());
    try (Writer file = new FileWriter(dir.resolve(name + ".pem").toFile());
        JcaPEMWriter pem = new JcaPEMWriter(file)) {
      pem.writeObject(builder.build(signer));
    }
  }

  private static KeyPair ec(String curve) throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", "BC");
    generator.initialize(new ECGenParameterSpec(curve));
    return generator.generateKeyPair();
  }

  private static KeyPair rsa(int bits) throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA", "BC");
    generator.initialize(bits);
    return generator.generateKeyPair();
  }
}
