{{- define "certmill.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "certmill.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "certmill.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "certmill.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "certmill.selectorLabels" -}}
app.kubernetes.io/name: {{ include "certmill.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "certmill.labels" -}}
{{ include "certmill.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What tells a workload from the others: dict root, name. */}}
{{- define "certmill.workloadLabels" -}}
app.kubernetes.io/component: {{ (index .root.Values.workloads .name).role }}
certmill.io/workload: {{ .name }}
{{- end -}}

{{- define "certmill.workloadSelector" -}}
{{ include "certmill.selectorLabels" .root }}
{{ include "certmill.workloadLabels" . }}
{{- end -}}

{{/* A pod that keeps something has a volume of its own: dict root, role. */}}
{{- define "certmill.workloadKind" -}}
{{- if include "certmill.keepsMarks" . }}StatefulSet{{ else }}Deployment{{ end -}}
{{- end -}}

{{/* Of one role's image: dict root, role. */}}
{{- define "certmill.image" -}}
{{- if and (eq .role "sign") .root.Values.hsm.image -}}
{{- .root.Values.hsm.image -}}
{{- else -}}
{{- printf "%s/%s:%s" .root.Values.image.repository .role (.root.Values.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "certmill.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "certmill.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities:
  drop: [ALL]
{{- end -}}
