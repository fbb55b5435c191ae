{{- define "tregua.name" -}}
{{- if contains "tregua" .Release.Name -}}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{- else -}}{{ printf "%s-tregua" .Release.Name | trunc 52 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{/* What selects the pods of one part: (list . "api"). */}}
{{- define "tregua.selector" -}}
app.kubernetes.io/name: tregua
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "tregua.labels" -}}
{{ include "tregua.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end -}}

{{- define "tregua.image" -}}
{{- $repository := required "image.repository is needed: the image built from this release's Dockerfile" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" $repository .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* What every pod of ours may do: nothing but run. */}}
{{- define "tregua.pod" -}}
serviceAccountName: {{ include "tregua.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "tregua.container" -}}
image: {{ include "tregua.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Its settings: (list . name-of-the-secret-with-the-database). */}}
{{- define "tregua.environment" -}}
{{- $top := index . 0 -}}
- name: TREGUA_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ index . 1 | quote }}, key: TREGUA_DATABASE_URL}}
{{- end -}}

{{- define "tregua.gateway.environment" -}}
{{- $secret := required "secrets.gateway is needed: a Secret with TREGUA_DATABASE_URL and TREGUA_SECRET_KEY" .Values.secrets.gateway -}}
{{ include "tregua.environment" (list . $secret) }}
- name: TREGUA_SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: TREGUA_SECRET_KEY}}
- name: TREGUA_REDIS_URL
  {{- if .Values.redis.enabled }}
  value: {{ printf "redis://%s-redis:6379/0" (include "tregua.name" .) | quote }}
  {{- else }}
  valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: TREGUA_REDIS_URL}}
  {{- end }}
- name: TREGUA_PUBLIC_URL
  value: {{ required "publicUrl is needed: what providers sign and people open" .Values.publicUrl | quote }}
- name: TREGUA_LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
{{- range $name, $value := .Values.otel }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "tregua.mounts" -}}
- {name: scratch, mountPath: /tmp}
{{- if .Values.secrets.config }}
- {name: config, mountPath: /etc/tregua, readOnly: true}
{{- end }}
{{- end -}}

{{- define "tregua.volumes" -}}
- name: scratch
  emptyDir: {sizeLimit: 1Gi}
{{- if .Values.secrets.config }}
- name: config
  secret:
    secretName: {{ .Values.secrets.config | quote }}
    items: [{key: tregua.toml, path: tregua.toml}]
{{- end }}
{{- end -}}

{{/* Parts of one kind on different machines where there are several: (list . "api"). */}}
{{- define "tregua.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "tregua.selector" . | nindent 8 }}
{{- end -}}
