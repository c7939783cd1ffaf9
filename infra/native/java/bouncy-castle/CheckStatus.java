import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Set;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.ocsp.BasicOCSPResp;
import org.bouncycastle.cert.ocsp.CertificateStatus;
import org.bouncycastle.cert.ocsp.OCSPResp;
import org.bouncycastle.cert.ocsp.RevokedStatus;
import org.bouncycastle.cert.ocsp.SingleResp;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentVerifierProvider;
import org.bouncycastle.operator.bc.BcDigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;

/**
 * Tells the status of certificates with Bouncy Castle alone:
 * CheckStatus (--chain FILE [--crl FILE]... [--ocsp FILE])...
 * A chain holds certificates in PEM, the device first, the root last. For each one line: with CRLs OK where the
 * path is valid and nothing in it revoked, with a response the status of the device; else why not.
 */
public class CheckStatus {
  private final List<X509Certificate> chain = new ArrayList<>();
  private final List<X509CRL> crls = new ArrayList<>();
  private byte[] response;

  public static void main(String[] args) throws Exception {
    Security.addProvider(new BouncyCastleProvider());
    List<CheckStatus> questions = new ArrayList<>();
    for (int i = 0; i + 1 < args.length; i += 2) {
      Path file = Path.of(args[i + 1]);
      if (args[i].equals("--chain")) questions.add(new CheckStatus(file));
      else if (args[i].equals("--crl")) questions.get(questions.size() - 1).addCrl(file);
      else questions.get(questions.size() - 1).response = Files.readAllBytes(file);
    }
    for (CheckStatus question : questions) System.out.println(question.verdict());
  }

  private CheckStatus(Path file) throws Exception {
    try (InputStream pem = Files.newInputStream(file)) {
      for (var certificate : factory().generateCertificates(pem)) {
        chain.add((X509Certificate) certificate);
      }
    }
  }

  private static CertificateFactory factory() throws Exception {
    return CertificateFactory.getInstance("X.509", "BC");
  }

  private void addCrl(Path file) throws Exception {
    try (InputStream bytes = Files.newInputStream(file)) {
      crls.add((X509CRL) factory().generateCRL(bytes));
    }
  }

  private String verdict() {
    try {
      return response == null ? pathVerdict() : responseVerdict();
    } catch (Exception refusal) {
      return refusal.toString().replace('\n', ' ');
    }
  }

  private String pathVerdict() throws Exception {
    X509Certificate root = chain.get(chain.size() - 1);
    PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
    parameters.setRevocationEnabled(true);
    parameters.addCertStore(
        CertStore.getInstance("Collection", new CollectionCertStoreParameters(crls), "BC"));
    CertPath path = factory().generateCertPath(chain.subList(0, chain.size() - 1));
    CertPathValidator.getInstance("PKIX", "BC").validate(path, parameters);
    return "OK";
  }

  private String responseVerdict() throws Exception {
    OCSPResp told = new OCSPResp(response);
    if (told.getStatus() != OCSPResp.SUCCESSFUL) return "status " + told.getStatus();
    BasicOCSPResp basic = (BasicOCSPResp) told.getResponseObject();
    X509CertificateHolder issuer = new X509CertificateHolder(chain.get(1).getEncoded());
    X509CertificateHolder signer = issuer;
    if (basic.getCerts().length > 0) {
      signer = basic.getCerts()[0];
      if (!signer.isSignatureValid(verifier(issuer))) return "the delegate is not of the issuer";
      ExtendedKeyUsage usage = ExtendedKeyUsage.fromExtensions(signer.getExtensions());
      if (usage == null || !usage.hasKeyPurposeId(KeyPurposeId.id_kp_OCSPSigning)) {
        return "the delegate lacks id-kp-OCSPSigning";
      }
      if (!signer.isValidOn(new Date())) return "the delegate is not valid now";
    }
    if (!basic.isSignatureValid(verifier(signer))) return "the signature is wrong";
    for (SingleResp single : basic.getResponses()) {
      boolean isAsked =
          single.getCertID().getSerialNumber().equals(chain.get(0).getSerialNumber())
              && single.getCertID().matchesIssuer(issuer, new BcDigestCalculatorProvider());
      if (!isAsked) continue;
      CertificateStatus status = single.getCertStatus();
      if (status == CertificateStatus.GOOD) return "good";
      return status instanceof RevokedStatus ? "revoked" : "unknown";
    }
    return "no answer for the certificate";
  }

  private static ContentVerifierProvider verifier(X509CertificateHolder holder) throws Exception {
    return new JcaContentVerifierProviderBuilder()
        .setProvider("BC")
        .build(holder);
  }
}
