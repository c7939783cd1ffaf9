{{/* One Secret of the projected volume: dict secret, items (path to key). */}}
{{- define "certmill.projected" -}}
- {{ .kind | default "secret" }}:
    name: {{ .secret }}
    items:
      {{- range $path, $key := .items }}
      - key: {{ $key }}
        path: {{ $path }}
      {{- end }}
{{ end -}}

{{/* A client's TLS files: dict tls, folder. */}}
{{- define "certmill.projectedTls" -}}
{{- if and .tls.enabled .tls.existingSecret -}}
{{- $items := dict (printf "%s/ca.crt" .folder) "ca.crt" -}}
{{- if .tls.clientCertificate -}}
{{- $_ := set $items (printf "%s/tls.crt" .folder) "tls.crt" -}}
{{- $_ := set $items (printf "%s/tls.key" .folder) "tls.key" -}}
{{- end -}}
{{- include "certmill.projected" (dict "secret" .tls.existingSecret "items" $items) -}}
{{- end -}}
{{- end -}}

{{/* Sources of /etc/certmill/secrets: what the role needs and no more: dict root, role, workload. */}}
{{- define "certmill.secretSources" -}}
{{- $values := .root.Values -}}
{{- $role := .role -}}
{{- $to := include "certmill.connections" . | fromJson -}}
{{- if ne $role "status" -}}
{{- include "certmill.projectedTls" (dict "tls" $to.kafka.tls "folder" "kafka") -}}
{{- if $to.kafka.sasl.mechanism -}}
{{- include "certmill.projected" (dict "secret" $to.kafka.sasl.existingSecret "items" (dict "kafka/password" "password")) -}}
{{- end -}}
{{- end -}}
{{- include "certmill.projectedTls" (dict "tls" $to.mongo.tls "folder" "mongo") -}}
{{- if $to.mongo.username -}}
{{- include "certmill.projected" (dict "secret" $to.mongo.existingSecret "items" (dict "mongo/password" "password")) -}}
{{- end -}}
{{- range index (dict "ingest" (list "received" "status") "validate" (list "received" "validated") "sign" (list "validated" "issued" "status") "publish" (list "issued") "status" list "init" list) $role -}}
{{- $hop := index $values.hopKeys . -}}
{{- include "certmill.projected" (dict "secret" $hop.existingSecret "items" (dict (printf "hop/%s.json" .) $hop.key)) -}}
{{- end -}}
{{- if has $role (list "ingest" "sign" "status") -}}
{{- include "certmill.projected" (dict "secret" $values.serialKeys.existingSecret "items" (dict "trust/serial-keys.json" $values.serialKeys.key)) -}}
{{- range $name, $issuer := $values.issuers -}}
{{- $chain := required (printf "issuers.%s.chain is required" $name) $issuer.chain -}}
{{- include "certmill.projected" (dict "kind" "configMap" "secret" $chain.existingConfigMap "items" (dict (printf "trust/ca/%s/chain.pem" $name) $chain.key)) -}}
{{- with $issuer.status -}}
{{- include "certmill.projected" (dict "kind" "configMap" "secret" .existingConfigMap "items" (dict (printf "trust/ca/%s/status.json" $name) .key)) -}}
{{- end -}}
{{- with $issuer.description -}}
{{- include "certmill.projected" (dict "kind" "configMap" "secret" .existingConfigMap "items" (dict (printf "trust/ca/%s/ca.json" $name) .key)) -}}
{{- end -}}
{{- with $issuer.retired -}}
{{- include "certmill.projected" (dict "kind" "configMap" "secret" .existingConfigMap "items" (dict (printf "trust/ca/%s/retired.json" $name) .key)) -}}
{{- end -}}
{{- with $issuer.delegates -}}
{{- $copies := dict -}}
{{- range .keys }}{{ $_ := set $copies (printf "trust/ca/%s/delegates/%s" $name .) . }}{{ end -}}
{{- include "certmill.projected" (dict "kind" "configMap" "secret" .existingConfigMap "items" $copies) -}}
{{- end -}}
{{- end -}}
{{- range $name, $crl := $values.caCrls -}}
{{- include "certmill.projected" (dict "kind" "configMap" "secret" $crl.existingConfigMap "items" (dict (printf "trust/ca-crls/%s.pem" $name) $crl.key)) -}}
{{- end -}}
{{- end -}}
{{- if eq $role "ingest" -}}
{{- include "certmill.projected" (dict "secret" $values.manifestKey.existingSecret "items" (dict "manifest-key.pem" $values.manifestKey.key)) -}}
{{- $items := dict "http/tls.crt" "tls.crt" "http/tls.key" "tls.key" -}}
{{- if $values.http.tls.clientCa }}{{ $_ := set $items "http/ca.crt" "ca.crt" }}{{ end -}}
{{- include "certmill.projected" (dict "secret" (required "http.tls.existingSecret is required" $values.http.tls.existingSecret) "items" $items) -}}
{{- else if eq $role "sign" -}}
{{- range $name, $issuer := $values.issuers -}}
{{- range $slot := $issuer.slots -}}
{{- $folder := printf "slots/%s" $slot.name -}}
{{- if $slot.keyFile -}}
{{- include "certmill.projected" (dict "secret" $slot.keyFile.existingSecret "items" (dict (printf "%s/key.pem" $folder) $slot.keyFile.key)) -}}
{{- include "certmill.projected" (dict "secret" $slot.passphrase.existingSecret "items" (dict (printf "%s/passphrase" $folder) $slot.passphrase.key)) -}}
{{- else -}}
{{- include "certmill.projected" (dict "secret" $slot.pin.existingSecret "items" (dict (printf "%s/pin" $folder) $slot.pin.key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if include "certmill.presigns" . -}}
{{- $passphrase := $values.ocsp.responderPassphrase -}}
{{- include "certmill.projected" (dict "secret" $passphrase.existingSecret "items" (dict "responders/passphrase" $passphrase.key)) -}}
{{- end -}}
{{- if has $role (list "ingest" "publish" "sign") -}}
{{- include "certmill.projectedTls" (dict "tls" $values.redis.tls "folder" "redis-tls") -}}
{{- if $values.redis.existingSecret -}}
{{- include "certmill.projected" (dict "secret" $values.redis.existingSecret "items" (dict "redis/password" "password")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
