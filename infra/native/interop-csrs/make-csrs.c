/* Makes CSRs with Mbed TLS (2.28 or 3): usage: make-csrs DIR. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/x509_csr.h>
#include <stdio.h>
#include <stdlib.h>

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context random_generator;

static void check(int result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "%s: -0x%04x\n", what, (unsigned)-result);
  exit(1);
}

static void write_csr(const char *dir, const char *name, const char *suffix, mbedtls_pk_context *key,
                      mbedtls_md_type_t digest) {
  mbedtls_x509write_csr csr;
  unsigned char pem[16384];
  char text[512];
  mbedtls_x509write_csr_init(&csr);
  mbedtls_x509write_csr_set_md_alg(&csr, digest);
  mbedtls_x509write_csr_set_key(&csr, key);
  snprintf(text, sizeof text, "O=Example,CN=mbedtls-%s%s", name, suffix);
  check(mbedtls_x509write_csr_set_subject_name(&csr, text), "subject");
  if (suffix[0] == '-' && suffix[1] == 'e') {
    check(mbedtls_x509write_csr_set_key_usage(&csr, MBEDTLS_X509_KU_DIGITAL_SIGNATURE), "usage");
    check(mbedtls_x509write_csr_set_ns_cert_type(&csr, MBEDTLS_X509_NS_CERT_TYPE_SSL_CLIENT), "ns");
  }
  check(mbedtls_x509write_csr_pem(&csr, pem, sizeof pem, mbedtls_ctr_drbg_random, &random_generator),
        "write");
  snprintf(text, sizeof text, "%s/%s%s.pem", dir, name, suffix);
  FILE *file = fopen(text, "w");
  if (file == NULL || fputs((char *)pem, file) < 0 || fclose(file) != 0) check(-1, text);
  mbedtls_x509write_csr_free(&csr);
}

static void ec(const char *dir, const char *name, mbedtls_ecp_group_id group,
               mbedtls_md_type_t digest) {
  mbedtls_pk_context key;
  mbedtls_pk_init(&key);
  check(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), "setup");
  check(mbedtls_ecp_gen_key(group, mbedtls_pk_ec(key), mbedtls_ctr_drbg_random, &random_generator),
        "key");
  write_csr(dir, name, "", &key, digest);
  write_csr(dir, name, "-ext", &key, digest);
  mbedtls_pk_free(&key);
}

static void rsa(const char *dir, const char *name, unsigned bits) {
  mbedtls_pk_context key;
  mbedtls_pk_init(&key);
  check(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)), "setup");
  check(mbedtls_rsa_gen_key(mbedtls_pk_rsa(key), mbedtls_ctr_drbg_random, &random_generator, bits,
                            65537), "key");
  write_csr(dir, name, "", &key, MBEDTLS_MD_SHA256);
  write_csr(dir, name, "-ext", &key, MBEDTLS_MD_SHA256);
  if (bits == 2048) {
    write_csr(dir, name, "-sha1", &key, MBEDTLS_MD_SHA1);
    write_csr(dir, name, "-md5", &key, MBEDTLS_MD_MD5);
  }
  mbedtls_pk_free(&key);
}

int main(int count, char **arguments) {
  if (count != 2) return 1;
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&random_generator);
  check(mbedtls_ctr_drbg_seed(&random_generator, mbedtls_entropy_func, &entropy, NULL, 0), "seed");
  ec(arguments[1], "p256", MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_MD_SHA256);
  ec(arguments[1], "p384", MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_MD_SHA384);
  ec(arguments[1], "p521", MBEDTLS_ECP_DP_SECP521R1, MBEDTLS_MD_SHA512);
  rsa(arguments[1], "rsa2048", 2048);
  rsa(arguments[1], "rsa3072", 3072);
  rsa(arguments[1], "rsa4096", 4096);
  return 0;
}
