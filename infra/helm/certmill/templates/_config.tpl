{{/* What a role connects with, its own before everybody's: dict root, role; JSON. */}}
{{- define "certmill.connections" -}}
{{- $own := index .root.Values.roles .role | default dict -}}
{{- dict
      "kafka" (mergeOverwrite (deepCopy .root.Values.kafka) (deepCopy ($own.kafka | default dict)))
      "mongo" (mergeOverwrite (deepCopy .root.Values.mongo) (deepCopy ($own.mongo | default dict)))
      "redis" .root.Values.redis
    | toJson -}}
{{- end -}}

{{/* "true" where a process of sign signs OCSP responses ahead, for which it has keys: dict root, role, workload. */}}
{{- define "certmill.presigns" -}}
{{- if and (eq .role "sign") (has "bulk" .workload.lanes) -}}
{{- if eq .root.Values.ocsp.presign "all" -}}
true
{{- else -}}
{{- range .root.Values.ocsp.issuers -}}
{{- if eq (.presign | default "none") "all" }}true{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "true" where a process keeps what it has seen of the log of status changes in a volume of its own: dict root, role. */}}
{{- define "certmill.keepsMarks" -}}
{{- if and (eq .role "sign") .root.Values.statusMarks.enabled }}true{{ end -}}
{{- end -}}

{{/* Whose OCSP responses are signed ahead, and for how long: dict root; JSON. */}}
{{- define "certmill.presigning" -}}
{{- $ocsp := .root.Values.ocsp -}}
{{- $presigning := dict "presign" $ocsp.presign "presignedHours" (int $ocsp.presignedHours) -}}
{{- with $ocsp.issuers }}{{ $_ := set $presigning "issuers" . }}{{ end -}}
{{- toJson $presigning -}}
{{- end -}}

{{/* Paths of a client's TLS files: dict tls, folder; JSON. */}}
{{- define "certmill.clientTls" -}}
{{- $files := dict -}}
{{- if .tls.existingSecret -}}
{{- $_ := set $files "caFile" (printf "/etc/certmill/secrets/%s/ca.crt" .folder) -}}
{{- if .tls.clientCertificate -}}
{{- $_ := set $files "certFile" (printf "/etc/certmill/secrets/%s/tls.crt" .folder) -}}
{{- $_ := set $files "keyFile" (printf "/etc/certmill/secrets/%s/tls.key" .folder) -}}
{{- end -}}
{{- else if .tls.clientCertificate -}}
{{- fail (printf "%s.tls.clientCertificate needs %s.tls.existingSecret" .folder .folder) -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/* The configuration of a workload, or of the Job (role init): dict root, role, workload; YAML. */}}
{{- define "certmill.config" -}}
{{- $values := .root.Values -}}
{{- $role := .role -}}
{{- $secrets := "/etc/certmill/secrets" -}}
{{- $to := include "certmill.connections" . | fromJson -}}
{{- $k := $to.kafka -}}
{{- if not $k.brokers }}{{ fail "kafka.brokers is required" }}{{ end -}}
{{- $kafka := dict "brokers" $k.brokers "partitions" $k.partitions "replicationFactor" (int $k.replicationFactor) "minInsyncReplicas" (int $k.minInsyncReplicas) "sessionTimeoutMs" (int $k.sessionTimeoutMs) -}}
{{- /* Status speaks to the store only. */ -}}
{{- if eq $role "status" }}{{ $k = dict "tls" dict }}{{ $kafka = pick $kafka "brokers" }}{{ end -}}
{{- if $k.tls.enabled }}{{ $_ := set $kafka "tls" (include "certmill.clientTls" (dict "tls" $k.tls "folder" "kafka") | fromJson) }}{{ end -}}
{{- with $k.sasl -}}
{{- if .mechanism -}}
{{- $_ := required "kafka.sasl.existingSecret is required" .existingSecret -}}
{{- $_ := set $kafka "sasl" (dict "mechanism" .mechanism "username" (required "kafka.sasl.username is required" .username) "passwordFile" (printf "%s/kafka/password" $secrets)) -}}
{{- end -}}
{{- end -}}
{{- $m := $to.mongo -}}
{{- $mongo := dict "uri" (required "mongo.uri is required" $m.uri) "database" $m.database -}}
{{- if $m.username -}}
{{- $_ := required "mongo.existingSecret is required" $m.existingSecret -}}
{{- $_ := set $mongo "username" $m.username -}}
{{- $_ := set $mongo "passwordFile" (printf "%s/mongo/password" $secrets) -}}
{{- end -}}
{{- if $m.tls.enabled }}{{ $_ := set $mongo "tls" (include "certmill.clientTls" (dict "tls" $m.tls "folder" "mongo") | fromJson) }}{{ end -}}
{{- $config := dict "kafka" $kafka "mongo" $mongo "cacheDirectory" "/var/cache/certmill" -}}
{{- if ne $role "init" -}}
{{- if ne $role "status" }}{{ $_ := set $config "lanes" .workload.lanes }}{{ end -}}
{{- $_ := set $config "operations" (dict "host" "0.0.0.0" "port" 8461) -}}
{{- $_ := set $config "logLevel" $values.logLevel -}}
{{- $_ := set $config "stopTimeoutMs" (int $values.stopTimeoutMs) -}}
{{- if and $values.tracing.url (ne $role "status") }}{{ $_ := set $config "tracing" (dict "url" $values.tracing.url "ratio" $values.tracing.ratio) }}{{ end -}}
{{- $hopKeys := dict -}}
{{- range index (dict "ingest" (list "received" "status") "validate" (list "received" "validated") "sign" (list "validated" "issued" "status") "publish" (list "issued") "status" list) $role -}}
{{- $_ := set $hopKeys . (printf "%s/hop/%s.json" $secrets .) -}}
{{- end -}}
{{- $_ := set $config "hopKeys" $hopKeys -}}
{{- end -}}
{{- if has $role (list "ingest" "sign" "status") -}}
{{- $_ := set $config "trust" (printf "%s/trust" $secrets) -}}
{{- $issuers := dict -}}
{{- if not $values.issuers }}{{ fail "issuers is required: sign has nothing to sign with" }}{{ end -}}
{{- range $name, $issuer := $values.issuers -}}
{{- $entry := dict "tenants" (required (printf "issuers.%s.tenants is required: names, or all" $name) $issuer.tenants) -}}
{{- if eq $role "sign" -}}
{{- $slots := list -}}
{{- range $slot := required (printf "issuers.%s.slots is required" $name) $issuer.slots -}}
{{- $s := pick $slot "name" "module" "token" "keyLabel" "keyId" -}}
{{- if $slot.keyFile -}}
{{- $_ := set $s "keyFile" (printf "%s/slots/%s/key.pem" $secrets $slot.name) -}}
{{- $_ := set $s "passphraseFile" (printf "%s/slots/%s/passphrase" $secrets $slot.name) -}}
{{- else -}}
{{- $_ := required (printf "slot %s needs a pin" $slot.name) $slot.pin -}}
{{- $_ := set $s "pinFile" (printf "%s/slots/%s/pin" $secrets $slot.name) -}}
{{- end -}}
{{- $slots = append $slots $s -}}
{{- end -}}
{{- $_ := set $entry "slots" $slots -}}
{{- if $issuer.profiles }}{{ $_ := set $entry "profiles" $issuer.profiles }}{{ end -}}
{{- end -}}
{{- $_ := set $issuers $name $entry -}}
{{- end -}}
{{- $_ := set $config "issuers" $issuers -}}
{{- end -}}
{{- if eq $role "ingest" -}}
{{- $_ := set $config "manifestKeyFile" (printf "%s/manifest-key.pem" $secrets) -}}
{{- $tls := dict "certFile" (printf "%s/http/tls.crt" $secrets) "keyFile" (printf "%s/http/tls.key" $secrets) -}}
{{- if $values.http.tls.clientCa }}{{ $_ := set $tls "clientCaFile" (printf "%s/http/ca.crt" $secrets) }}{{ end -}}
{{- $_ := set $config "http" (dict "host" "0.0.0.0" "port" 8460 "tls" $tls "limits" $values.http.limits) -}}
{{- $_ := set $config "ocsp" (include "certmill.presigning" . | fromJson) -}}
{{- else if eq $role "validate" -}}
{{- if $values.blocklist.existingConfigMap }}{{ $_ := set $config "blocklistFile" "/etc/certmill/blocklist/blocklist.txt" }}{{ end -}}
{{- else if eq $role "sign" -}}
{{- if $values.profiles.existingConfigMap }}{{ $_ := set $config "profiles" (list "/etc/certmill/profiles") }}{{ end -}}
{{- if include "certmill.keepsMarks" . }}{{ $_ := set $config "statusMarks" "/var/lib/certmill/status-marks" }}{{ end -}}
{{- else if eq $role "publish" -}}
{{- $_ := set $config "ocsp" (include "certmill.presigning" . | fromJson) -}}
{{- else if eq $role "status" -}}
{{- $_ := set $config "status" (dict "host" "0.0.0.0" "port" 8462) -}}
{{- $_ := set $config "ocsp" (include "certmill.presigning" . | fromJson) -}}
{{- end -}}
{{- if include "certmill.presigns" . -}}
{{- $responders := dict "responders" "/var/lib/certmill/responders" "responderPassphraseFile" (printf "%s/responders/passphrase" $secrets) -}}
{{- $_ := set $config "ocsp" (mergeOverwrite (include "certmill.presigning" . | fromJson) $responders) -}}
{{- end -}}
{{- if has $role (list "ingest" "publish" "sign") -}}
{{- $redis := dict "host" (required "redis.host is required" $values.redis.host) "port" (int $values.redis.port) -}}
{{- if $values.redis.username }}{{ $_ := set $redis "username" $values.redis.username }}{{ end -}}
{{- if $values.redis.existingSecret }}{{ $_ := set $redis "passwordFile" (printf "%s/redis/password" $secrets) }}{{ end -}}
{{- if $values.redis.tls.enabled }}{{ $_ := set $redis "tls" (include "certmill.clientTls" (dict "tls" $values.redis.tls "folder" "redis-tls") | fromJson) }}{{ end -}}
{{- $_ := set $config "redis" $redis -}}
{{- end -}}
{{- $own := (index $values.roles $role | default dict).config | default dict -}}
{{- $config = mergeOverwrite $config (deepCopy $own) -}}
{{- if .workload }}{{ $config = mergeOverwrite $config (deepCopy (.workload.config | default dict)) }}{{ end -}}
{{- toYaml $config -}}
{{- end -}}
