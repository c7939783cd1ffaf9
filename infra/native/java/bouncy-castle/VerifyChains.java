import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * Verifies chains by RFC 5280 6.1 with Bouncy Castle alone, without status: usage: VerifyChains FILE...
 * A file holds certificates in PEM, the device first, the root last. For each one line: OK, or why not.
 */
public class VerifyChains {
  public static void main(String[] files) throws Exception {
    Security.addProvider(new BouncyCastleProvider());
    for (String file : files) System.out.println(verdictOn(Path.of(file)));
  }

  private static String verdictOn(Path file) throws Exception {
    try (InputStream pem = Files.newInputStream(file)) {
      CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
      List<X509Certificate> chain = new ArrayList<>();
      for (var certificate : factory.generateCertificates(pem)) {
        chain.add((X509Certificate) certificate);
      }
      X509Certificate root = chain.remove(chain.size() - 1);
      // A trust anchor's own signature is no part of path validation.
      root.verify(root.getPublicKey(), "BC");
      PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
      parameters.setRevocationEnabled(false);
      CertPath path = factory.generateCertPath(chain);
      CertPathValidator.getInstance("PKIX", "BC").validate(path, parameters);
      return "OK";
    } catch (Exception refusal) {
      return refusal.toString().replace('\n', ' ');
    }
  }
}
