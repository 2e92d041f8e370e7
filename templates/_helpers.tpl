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

{{/* The store's keys as JSON: those given, else those the cluster has, else new ones. They are chosen once for all
templates of a rendering, so that the Secret and the checksums of the pods that read it speak of the same keys. */}}
{{- define "bucle.storageKeys" -}}
{{- if not (hasKey .Values "keysOfThisRendering") -}}
{{- $given := .Values.storage.credentials -}}
{{- $access := $given.accessKey -}}
{{- $secret := $given.secretKey -}}
{{- if .Values.storage.secret.create -}}
{{- $found := dig "data" (dict) (lookup "v1" "Secret" .Release.Namespace .Values.storage.secret.name | default dict) -}}
{{- $access = $access | default (get $found "AWS_ACCESS_KEY_ID" | b64dec) -}}
{{- $secret = $secret | default (get $found "AWS_SECRET_ACCESS_KEY" | b64dec) -}}
{{- if and (not $access) (not $secret) .Values.store.enabled -}}
{{- /* Whoever installs may list Services here; an empty answer is still a list, and none means that no cluster was asked. */ -}}
{{- if not (lookup "v1" "Service" .Release.Namespace "") -}}
{{- fail (printf "the keys of the embedded store are kept in the Secret %s/%s, and without a cluster nobody can look there: each rendering would make other keys, which the store and running pods do not know. Set storage.credentials.accessKey and storage.credentials.secretKey; or set storage.secret.create=false and make the Secret yourself; or render with --dry-run=server" .Release.Namespace .Values.storage.secret.name) -}}
{{- end -}}
{{- $access = randAlphaNum 20 -}}
{{- $secret = randAlphaNum 40 -}}
{{- end -}}
{{- if or (not $access) (not $secret) -}}
{{- fail "storage.credentials.accessKey and secretKey must both be set when store.enabled is false, or storage.secret.create must be false" -}}
{{- end -}}
{{- end -}}
{{- $_ := set .Values "keysOfThisRendering" (dict "access" $access "secret" $secret) -}}
{{- end -}}
{{- toJson .Values.keysOfThisRendering -}}
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
{{- if regexMatch "^[a-z]+://[^/]*@" .Values.mlflow.uri -}}
{{- fail "mlflow.uri must not carry a user or a password, which would be readable in the Deployment: put MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) into a Secret of the release's namespace and set mlflow.credentialsSecret to its name" -}}
{{- end -}}
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
