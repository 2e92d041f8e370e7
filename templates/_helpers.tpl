{{- define "bucle.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "bucle.fullname" -}}
{{- $name := include "bucle.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Arguments of the next three: list of root context and part name. */}}
{{- define "bucle.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "bucle.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "bucle.labels" -}}
{{- $root := index . 0 -}}
{{ include "bucle.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "bucle.image" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- $reference := get $root.Values.image.references $part -}}
{{- $reference | default (printf "%s/bucle-%s:%s" $root.Values.image.registry $part ($root.Values.image.tag | default $root.Chart.AppVersion)) -}}
{{- end -}}

{{- define "bucle.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "bucle.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "bucle.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Arguments: a part's values. */}}
{{- define "bucle.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "bucle.bucket" -}}
{{- .Values.storage.uri | trimPrefix "s3://" | splitList "/" | first -}}
{{- end -}}

{{- define "bucle.storeEndpoint" -}}
{{- if .Values.store.enabled -}}
{{- if .Values.storage.endpoint -}}
{{- fail "storage.endpoint must be empty while store.enabled is true: set store.enabled=false to use a store of your own" -}}
{{- end -}}
{{- printf "http://%s-store.%s.svc:8333" (include "bucle.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- .Values.storage.endpoint -}}
{{- end -}}
{{- end -}}

{{- define "bucle.mlflowUri" -}}
{{- if .Values.mlflow.enabled -}}
{{- if .Values.mlflow.uri -}}
{{- fail "mlflow.uri must be empty while mlflow.enabled is true: set mlflow.enabled=false to use an MLflow of your own" -}}
{{- end -}}
{{- printf "http://%s-mlflow.%s.svc:5000" (include "bucle.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- required "mlflow.uri must be set when mlflow.enabled is false" .Values.mlflow.uri -}}
{{- end -}}
{{- end -}}

{{/* Arguments: root context, part name, the part's persistence values. */}}
{{- define "bucle.claim" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- with index . 2 -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "bucle.fullname" $root }}-{{ $part }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "bucle.labels" (list $root $part) | nindent 4 }}
  {{- if .keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ .size }}
{{- end -}}
{{- end -}}

{{/* Arguments: root context, part name, the part's persistence values. */}}
{{- define "bucle.dataVolume" -}}
{{- $root := index . 0 -}}
- name: data
  {{- if (index . 2).enabled }}
  persistentVolumeClaim:
    claimName: {{ include "bucle.fullname" $root }}-{{ index . 1 }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- end -}}
